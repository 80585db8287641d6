//! One client: it reads its channel for as long as the run goes on, comes back wherever it can, resumes from its place,
//! and sends what was not acknowledged again, under the same id.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::judge::{Channel, Voice, Word};
use super::link::{Link, News};
use super::plant::Plant;
use super::world::{Seat, Wish, World};

/// How long a client that was cut off waits before it comes back, at least and at most: not all at once.
const BACK_MS: (u64, u64) = (20, 500);
/// How long one waits that was refused for now.
const AGAIN: Duration = Duration::from_millis(300);
/// How long a message may go without an answer before its connection is given up.
const ANSWER: Duration = Duration::from_secs(15);
/// One of so many messages of a user is a note.
const NOTES: u64 = 4;
/// Codes that say: the same again, later.
const LATER: [&str; 3] = ["unavailable", "rate_limited", "internal"];

/// Who a client is.
#[derive(Debug)]
pub(super) struct Person {
    /// What the judge knows it as.
    pub(super) reader: usize,
    pub(super) token: String,
    /// The node where it belongs while all are well.
    pub(super) home: usize,
    pub(super) channel: Channel,
    /// Its channel on the wire: the id of a conversation or of a website.
    pub(super) channel_id: String,
    pub(super) speaks: Option<Speech>,
}

/// What somebody says.
#[derive(Debug)]
pub(super) struct Speech {
    pub(super) talk: usize,
    pub(super) is_visitor: bool,
    /// The time between an acknowledgement and the next message, on average.
    pub(super) pause: Duration,
}

/// A message under way.
#[derive(Debug)]
struct Pending {
    word: Word,
    first: Duration,
    /// How often it was sent.
    tries: u64,
    /// When it is sent again on this connection, or the connection is given up.
    due: Due,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Again(Instant),
    GiveUp(Instant),
}

/// Why a client left a node.
enum Departure {
    /// The node asked it to come back elsewhere.
    Asked,
    /// The line was cut, or there was none.
    Lost,
    /// It goes to where it belongs.
    Home,
    /// It was told not to come back.
    Barred,
}

pub(super) struct Client {
    world: Rc<World>,
    /// Its seat.
    at: usize,
    person: Person,
    wish: watch::Receiver<Wish>,
    homecoming: u64,
    /// Counts what each voice has said.
    said: [u64; 3],
    next: Instant,
    pending: Option<Pending>,
    /// When the channel is asked for again.
    subscribe_again: Option<Instant>,
    /// A message that is to change its place with the next one; see [`Plant::Swaps`].
    held: Option<(String, Value)>,
}

impl Client {
    pub(super) fn new(world: &Rc<World>, person: Person) -> Self {
        let mut seats = world.seats.borrow_mut();
        seats.push(Seat { home: person.home, ..Seat::default() });
        let at = seats.len() - 1;
        drop(seats);
        let wish = world.wish.subscribe();
        let (world, next) = (Rc::clone(world), Instant::now());
        Self {
            world,
            at,
            person,
            wish,
            homecoming: 0,
            said: [0; 3],
            next,
            pending: None,
            subscribe_again: None,
            held: None,
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn live(mut self) {
        let mut node = self.person.home;
        loop {
            let departure = self.visit(node).await;
            let was_live = self.world.seats.borrow_mut()[self.at].live.take().is_some();
            self.subscribe_again = None;
            self.world.judge.borrow_mut().note(self.person.reader, self.world.now(), "is off");
            match departure {
                Departure::Home => node = self.person.home,
                Departure::Asked if was_live => node = self.world.another_node(node),
                Departure::Asked | Departure::Lost => {
                    tokio::time::sleep(self.world.dice.between_ms(BACK_MS.0, BACK_MS.1)).await;
                    node = self.world.another_node(node);
                }
                Departure::Barred => return,
            }
        }
    }

    /// One connection from its beginning to its end.
    async fn visit(&mut self, node: usize) -> Departure {
        let Some(mut link) = Link::open(&self.world.urls[node], &self.person.token).await else {
            return Departure::Lost;
        };
        self.world.arrivals.borrow_mut().push(self.world.now());
        let timer = tokio::time::sleep_until(self.next_due());
        tokio::pin!(timer);
        loop {
            let is_live = self.world.seats.borrow()[self.at].live.is_some();
            if is_live && self.is_to_go_home() {
                self.homecoming = self.wish.borrow().homecoming;
                if node != self.person.home {
                    link.close().await;
                    return Departure::Home;
                }
            }
            self.set(&mut timer);
            tokio::select! {
                news = link.next() => match news {
                    News::Frame(text, frame) => self.take(&mut link, node, &text, &frame).await,
                    News::End(code) => return self.ended(code),
                },
                () = &mut timer => if !self.is_due(&mut link, node).await {
                    return Departure::Lost;
                },
                changed = self.wish.changed() => if changed.is_err() {
                    return Departure::Barred;
                },
            }
        }
    }

    fn is_to_go_home(&self) -> bool {
        self.wish.borrow().homecoming > self.homecoming
    }

    /// 44xx means stop, everything else means to come back.
    fn ended(&self, code: Option<u16>) -> Departure {
        match code {
            Some(code @ 4400..=4499) => {
                self.refused(&format!("not to come back, by {code}"));
                Departure::Barred
            }
            Some(1001) => Departure::Asked,
            Some(_) | None => Departure::Lost,
        }
    }

    fn refused(&self, what: &str) {
        self.world.judge.borrow_mut().refused(self.person.reader, what);
    }

    async fn take(&mut self, link: &mut Link, node: usize, text: &str, frame: &Value) {
        let now = self.world.now();
        match frame["type"].as_str().unwrap_or_default() {
            "connection_established" => self.subscribe(link).await,
            "subscription_confirmed" => {
                self.world.judge.borrow_mut().confirmed(self.person.reader, frame, now);
                self.world.seats.borrow_mut()[self.at].live = Some((node, now));
                if self.pending.is_some() {
                    self.send(link, node).await;
                }
            }
            "subscription_error" => self.not_subscribed(frame),
            "subscription_ended" => self.refused(text),
            "message_ack" => self.acked(node, frame),
            "error" => self.failed(frame),
            _ => self.hear(node, text, frame),
        }
    }

    fn hear(&mut self, node: usize, text: &str, frame: &Value) {
        if frame["type"] == "new_message" && self.tampers(node, text, frame) {
            return;
        }
        let now = self.world.now();
        let heard = self.world.judge.borrow_mut().hear(self.person.reader, text, frame, now);
        if let (Some(word), Some((_, since))) = (heard, self.world.seats.borrow()[self.at].live) {
            self.world.times.borrow_mut().heard(word, node, since, now);
        }
    }

    /// Does what a server at fault might have done to a message; whether it did not come.
    fn tampers(&mut self, node: usize, text: &str, frame: &Value) -> bool {
        let is_visitor = self.person.speaks.as_ref().is_some_and(|speech| speech.is_visitor);
        if self.world.has_planted(Plant::LeavesOut) {
            return true;
        }
        if self.world.has_planted(Plant::TellsTwice) {
            self.hear(node, text, frame);
        }
        if is_visitor && self.world.has_planted(Plant::TellsVisitors) {
            let mut note = frame.clone();
            note["visibility"] = json!("internal");
            self.hear(node, &note.to_string(), &note);
            return true;
        }
        if let Some((text, earlier)) = self.held.take() {
            // Places stay, contents change them.
            let (mut first, mut second) = (earlier.clone(), frame.clone());
            for field in ["content", "messageId"] {
                (first[field], second[field]) = (frame[field].clone(), earlier[field].clone());
            }
            self.hear(node, &text, &first);
            self.hear(node, &text, &second);
            return true;
        }
        let is_third = self.person.speaks.is_none() && matches!(self.person.channel, Channel::Talk(_));
        if is_third && self.world.has_planted(Plant::Swaps) {
            self.held = Some((text.to_owned(), frame.clone()));
            return true;
        }
        false
    }

    async fn subscribe(&mut self, link: &mut Link) {
        self.subscribe_again = None;
        let id = &self.person.channel_id;
        let mut wish = match self.person.channel {
            Channel::Talk(_) | Channel::Store(_) => json!({"type": "subscribe_conversation", "conversationId": id}),
            Channel::Site(_) => json!({"type": "subscribe_website", "websiteId": id}),
        };
        let place = self.world.judge.borrow().place(self.person.reader);
        if let Some((place, epoch)) = place.zip(self.world.judge.borrow().epoch().map(str::to_owned)) {
            wish["after"] = json!(place);
            wish["epoch"] = json!(epoch);
        }
        wish["id"] = json!("subscribe");
        link.say(&wish).await;
    }

    /// The conversation may not be there yet: the visitor makes it.
    fn not_subscribed(&mut self, frame: &Value) {
        let code = frame["code"].as_str().unwrap_or_default();
        let is_early = code == "not_found" && self.world.judge.borrow().place(self.person.reader).is_none();
        if is_early || LATER.contains(&code) {
            self.subscribe_again = Some(Instant::now() + World::millis(frame, "retryAfter", AGAIN));
        } else {
            self.refused(&frame.to_string());
        }
    }

    fn acked(&mut self, node: usize, frame: &Value) {
        let word = frame["id"].as_str().and_then(Word::parse);
        // An answer to an earlier try may come behind the first one.
        let Some(pending) = self.pending.take_if(|pending| Some(pending.word) == word) else { return };
        let now = self.world.now();
        let id = frame["messageId"].as_str().unwrap_or_default();
        let is_known = frame["duplicate"] == true;
        self.world.judge.borrow_mut().acked(pending.word, id, now, is_known);
        self.world.times.borrow_mut().acked(pending.word, node, now, now - pending.first);
        self.world.seats.borrow_mut()[self.at].waits = false;
        if let Some(speech) = &self.person.speaks {
            let mean = u64::try_from(speech.pause.as_millis()).unwrap_or(u64::MAX);
            self.next = Instant::now() + self.world.dice.between_ms(mean / 2, mean + mean / 2);
        }
    }

    fn failed(&mut self, frame: &Value) {
        let code = frame["code"].as_str().unwrap_or_default();
        if !LATER.contains(&code) {
            return self.refused(&frame.to_string());
        }
        let again = Instant::now() + World::millis(frame, "retryAfter", AGAIN);
        let word = frame["id"].as_str().and_then(Word::parse);
        match &mut self.pending {
            Some(pending) if Some(pending.word) == word => pending.due = Due::Again(again),
            _ if frame["id"] == "subscribe" => self.subscribe_again = Some(again),
            _ => {}
        }
    }

    /// When the client has something to do by itself next.
    fn next_due(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let is_live = self.world.seats.borrow()[self.at].live.is_some();
        let send = match &self.pending {
            Some(Pending { due: Due::Again(at) | Due::GiveUp(at), .. }) if is_live => *at,
            None if is_live && self.person.speaks.is_some() && self.wish.borrow().speaks => self.next,
            Some(_) | None => far,
        };
        self.subscribe_again.unwrap_or(far).min(send)
    }

    fn set(&self, timer: &mut Pin<&mut Sleep>) {
        let due = self.next_due();
        if due != timer.deadline() {
            timer.as_mut().reset(due);
        }
    }

    /// Does what is due; false when the connection is given up.
    async fn is_due(&mut self, link: &mut Link, node: usize) -> bool {
        let now = Instant::now();
        if self.subscribe_again.is_some_and(|at| at <= now) {
            self.subscribe(link).await;
            return true;
        }
        match &self.pending {
            Some(Pending { due: Due::GiveUp(at), .. }) if *at <= now => return false,
            Some(Pending { due: Due::Again(at), .. }) if *at <= now => self.send(link, node).await,
            None if self.next <= now && self.wish.borrow().speaks => {
                self.think();
                self.send(link, node).await;
            }
            Some(_) | None => {}
        }
        true
    }

    /// Finds what to say next.
    fn think(&mut self) {
        let Some(speech) = &self.person.speaks else { return };
        let all: u64 = self.said.iter().sum();
        let voice = match (speech.is_visitor, (all + 1).is_multiple_of(NOTES)) {
            (true, _) => Voice::Visitor,
            (false, true) => Voice::Note,
            (false, false) => Voice::User,
        };
        let number = &mut self.said[voice as usize];
        *number += 1;
        let word = Word { talk: speech.talk, voice, number: *number };
        let due = Due::GiveUp(Instant::now() + ANSWER);
        self.pending = Some(Pending { word, first: self.world.now(), tries: 0, due });
        self.world.seats.borrow_mut()[self.at].waits = true;
    }

    /// Sends what is not acknowledged, for the first time or again.
    async fn send(&mut self, link: &mut Link, node: usize) {
        let Some(word) = self.try_again(node) else { return };
        let text = self.world.judge.borrow().text(word);
        let key = word.to_string();
        let mut message = json!({
            "type": "send_message", "id": key.as_str(), "conversationId": self.person.channel_id,
            "content": {"text": text},
        });
        if word.voice == Voice::Note {
            message["visibility"] = json!("internal");
        }
        if self.world.has_planted(Plant::Forgets) {
            // It is never stored, and acknowledged all the same.
            return self.acked(node, &json!({"id": key, "messageId": "msg-never-stored"}));
        }
        link.say(&message).await;
    }

    /// Counts one more try of the message under way.
    fn try_again(&mut self, node: usize) -> Option<Word> {
        let pending = self.pending.as_mut()?;
        pending.due = Due::GiveUp(Instant::now() + ANSWER);
        pending.tries += 1;
        let is_again = pending.tries > 1;
        self.world.judge.borrow_mut().sent(pending.word, self.world.now(), node, is_again);
        Some(pending.word)
    }
}

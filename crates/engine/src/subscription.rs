//! Wishes for channels, who holds them, and how far each has been seen.

use crate::config::{Millis, later};
use crate::input::Channel;
use crate::law::ErrorClass;
use crate::output::{Frame, SubscriptionState};
use crate::place::Unheld;
use crate::text::{RequestKind, Text};
use crate::timer::{Next, Timer};

/// All wishes, in the order in which they were made.
///
/// What is to be told of them is noted in `news`, which the engine takes after each call.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions<T> {
    pub(crate) list: Vec<Subscription<T>>,
    pub(crate) unheld: Unheld<T>,
    /// The store's life, as last told; all channels of a server share one store.
    pub(crate) epoch: Option<T>,
    pub(crate) news: Vec<(Channel<T>, News<T>)>,
}

/// What is to be told of a channel.
#[derive(Debug)]
pub(crate) enum News<T> {
    /// It stands elsewhere.
    State(SubscriptionState<T>),
    /// It has a hole that will not be filled.
    Hole,
}

/// A wish for a channel. It lives as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Subscription<T> {
    pub(crate) channel: Channel<T>,
    holders: Vec<u32>,
    pub(crate) ask: Ask<T>,
    /// The id of the request on this connection; asking again keeps it, so that a late answer is one too.
    request: Option<Request<T>>,
    /// Where to resume.
    pub(crate) place: Option<Place<T>>,
    /// Of a conversation: the newest `seq` that the application got. Less than the place where the place is
    /// the head that the server named and nothing came since.
    pub(crate) delivered: Option<u64>,
    /// The head of the present confirmation: what is not beyond it may come by a replay.
    pub(crate) head: u64,
    /// Of a website: offsets beyond the place that were seen already.
    pub(crate) ahead: Vec<u64>,
    /// The place behind which an event was missing last time.
    pub(crate) hole_at: Option<u64>,
}

/// Where the asking for a channel stands on this connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask<T> {
    /// To be asked for as soon as there is a connection.
    Wanted {
        is_second: bool,
    },
    /// Asked for.
    Asked {
        since: Millis,
        is_second: bool,
        /// Whether it was asked for at the beginning of the connection, so that messages wait for it.
        is_resumption: bool,
    },
    Confirmed,
    Refused {
        code: T,
    },
    /// Told unavailable; asked for again at that time, or on the next connection.
    Unavailable {
        retry_at: Millis,
    },
}

#[derive(Debug)]
struct Request<T> {
    id: T,
    /// Whether a place was given, so that a replay follows.
    is_resuming: bool,
}

/// A place in a channel, valid in one life of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<T> {
    pub(crate) at: u64,
    pub(crate) epoch: T,
}

impl<T: Text> Place<T> {
    pub(crate) fn new(at: u64, epoch: &T) -> Self {
        Self { at, epoch: epoch.clone() }
    }
}

impl<T: Text> Subscription<T> {
    pub(crate) fn state(&self) -> SubscriptionState<T> {
        match &self.ask {
            Ask::Wanted { .. } | Ask::Asked { .. } => SubscriptionState::Pending,
            Ask::Confirmed => SubscriptionState::Confirmed,
            Ask::Refused { code } => SubscriptionState::Refused(code.clone()),
            Ask::Unavailable { .. } => SubscriptionState::Unavailable,
        }
    }

    fn is_website(&self) -> bool {
        matches!(self.channel, Channel::Website(_))
    }

    fn set(&mut self, ask: Ask<T>, news: &mut Vec<(Channel<T>, News<T>)>) {
        let before = self.state();
        self.ask = ask;
        let after = self.state();
        if before != after {
            news.push((self.channel.clone(), News::State(after)));
        }
    }

    /// Whether this answers the request of this wish, late or not. An answer without an id can only be that.
    fn is_answer(&self, answer: Option<&T>) -> bool {
        let is_open = match &self.ask {
            Ask::Wanted { .. } | Ask::Asked { .. } | Ask::Unavailable { .. } => true,
            Ask::Confirmed | Ask::Refused { .. } => false,
        };
        is_open && self.request.as_ref().is_some_and(|request| answer.is_none_or(|answer| *answer == request.id))
    }
}

impl<T: Text> Subscriptions<T> {
    pub(crate) fn visit_texts(&self, visit: &mut dyn FnMut(&T)) {
        self.epoch.iter().for_each(&mut *visit);
        self.unheld.visit_texts(visit);
        for known in &self.list {
            let (Channel::Conversation(id) | Channel::Website(id)) = &known.channel;
            visit(id);
            known.place.iter().for_each(|place| visit(&place.epoch));
            if let Ask::Refused { code } = &known.ask {
                visit(code);
            }
        }
    }

    /// Somebody wants a channel.
    pub(crate) fn hold(&mut self, channel: Channel<T>, holder: u32) {
        if let Some(known) = self.list.iter_mut().find(|known| known.channel == channel) {
            if !known.holders.contains(&holder) {
                known.holders.push(holder);
            }
            if matches!(known.ask, Ask::Refused { .. } | Ask::Unavailable { .. }) {
                known.request = None;
                known.set(Ask::Wanted { is_second: false }, &mut self.news);
            }
            return;
        }
        let has_website = self.list.iter().any(Subscription::is_website);
        let seen = match &channel {
            Channel::Conversation(id) => self.unheld.take(id),
            Channel::Website(_) => {
                if !has_website {
                    self.unheld.clear();
                }
                None
            }
        };
        // A conversation that is seen through its website goes on behind what was seen there.
        let place = match (seen, &self.epoch) {
            (Some(seq), Some(epoch)) if has_website => Some(Place::new(seq, epoch)),
            (Some(_) | None, Some(_) | None) => None,
        };
        self.news.push((channel.clone(), News::State(SubscriptionState::Pending)));
        self.list.push(Subscription {
            channel,
            holders: vec![holder],
            ask: Ask::Wanted { is_second: false },
            request: None,
            place,
            delivered: seen,
            head: 0,
            ahead: Vec::new(),
            hole_at: None,
        });
    }

    /// A holder lets go; whether the server must be told, because the wish has ended and it knows of it.
    pub(crate) fn release(&mut self, channel: &Channel<T>, holder: u32) -> bool {
        let Some(index) = self.list.iter().position(|known| known.channel == *channel) else {
            return false;
        };
        let Some(known) = self.list.get_mut(index) else {
            return false;
        };
        known.holders.retain(|&held| held != holder);
        if !known.holders.is_empty() {
            return false;
        }
        let gone = self.list.remove(index);
        self.news.push((gone.channel.clone(), News::State(SubscriptionState::Released)));
        if let (Channel::Conversation(id), Some(seq)) = (&gone.channel, gone.delivered) {
            // Its events may go on coming, through its website or because they are under way. What was seen through a
            // website that is let go is remembered for the same reason, until one is held again.
            self.unheld.remember(id, seq);
        }
        gone.request.is_some() && !matches!(gone.ask, Ask::Refused { .. })
    }

    /// Asks for the next channel, by an id of that number, unless it is asked for again.
    ///
    /// A website comes behind the conversations that are resumed, so that their replays are not behind what it
    /// brings, and before those that begin, so that it brings what was before their beginning.
    pub(crate) fn ask_next<P>(&mut self, number: u32, now: Millis, is_resumption: bool) -> Option<Frame<P, T>> {
        let rank = |known: &Subscription<T>| match (&known.channel, &known.place) {
            (Channel::Conversation(_), Some(_)) => 0,
            (Channel::Website(_), _) => 1,
            (Channel::Conversation(_), None) => 2,
        };
        for turn in 0..3 {
            for known in &mut self.list {
                let Ask::Wanted { is_second } = known.ask else {
                    continue;
                };
                if rank(known) != turn {
                    continue;
                }
                let request = known.request.get_or_insert_with(|| Request {
                    id: T::of_request(RequestKind::Subscribe, number),
                    is_resuming: known.place.is_some(),
                });
                let id = request.id.clone();
                known.ask = Ask::Asked { since: now, is_second, is_resumption };
                let place = known.place.as_ref();
                return Some(Frame::Subscribe {
                    id,
                    channel: known.channel.clone(),
                    after: place.map(|place| place.at),
                    epoch: place.map(|place| place.epoch.clone()),
                });
            }
        }
        None
    }

    /// Whether messages must still wait for an answer.
    pub(crate) fn is_resuming(&self) -> bool {
        self.list.iter().any(|subscription| matches!(subscription.ask, Ask::Asked { is_resumption: true, .. }))
    }

    pub(crate) fn confirmed(
        &mut self,
        answer: Option<&T>,
        channel: &Channel<T>,
        epoch: &T,
        head: u64,
        is_recovered: bool,
    ) {
        self.adopt_epoch(epoch);
        let is_meant = |known: &&mut Subscription<T>| known.channel == *channel && known.is_answer(answer);
        let Some(known) = self.list.iter_mut().find(is_meant) else {
            return;
        };
        let is_resuming = known.request.as_ref().is_some_and(|request| request.is_resuming);
        let at = match &known.place {
            Some(place) if is_recovered && is_resuming => place.at,
            // Events may have come by another way since this was asked for.
            Some(place) if is_recovered => place.at.max(head),
            Some(_) | None => head,
        };
        known.place = Some(Place::new(at, epoch));
        known.head = head;
        known.set(Ask::Confirmed, &mut self.news);
        if !is_recovered {
            known.delivered = known.delivered.map(|delivered| delivered.min(head));
            known.ahead.clear();
            self.news.push((known.channel.clone(), News::Hole));
            if known.is_website() {
                self.unheld.clear();
            }
        }
    }

    /// In another life of the store all that was seen is of no meaning.
    fn adopt_epoch(&mut self, epoch: &T) {
        if self.epoch.as_ref() == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch.clone());
        self.unheld.clear();
        for subscription in &mut self.list {
            if subscription.place.as_ref().is_none_or(|place| place.epoch != *epoch) {
                subscription.delivered = None;
                subscription.ahead.clear();
            }
        }
    }

    /// A refusal, by `subscription_error`, or by an `error` that names only the request.
    pub(crate) fn refused(&mut self, answer: Option<&T>, channel: Option<&Channel<T>>, code: T, retry_at: Millis) {
        let Some(known) = self
            .list
            .iter_mut()
            .find(|known| channel.is_none_or(|channel| known.channel == *channel) && known.is_answer(answer))
        else {
            return;
        };
        let ask = match code.error_class() {
            ErrorClass::Transient => Ask::Unavailable { retry_at },
            ErrorClass::NeedsToken | ErrorClass::Permanent => Ask::Refused { code },
        };
        known.set(ask, &mut self.news);
    }

    /// The server ended a subscription on its own.
    pub(crate) fn ended(&mut self, channel: &Channel<T>, reason: T) {
        if let Some(known) = self.list.iter_mut().find(|known| known.channel == *channel) {
            known.set(Ask::Refused { code: reason }, &mut self.news);
        }
    }

    /// What was refused for want of a valid token is asked for again.
    pub(crate) fn token_accepted(&mut self) {
        for subscription in &mut self.list {
            if let Ask::Refused { code } = &subscription.ask
                && code.error_class() == ErrorClass::NeedsToken
            {
                subscription.set(Ask::Wanted { is_second: false }, &mut self.news);
            }
        }
    }

    /// All but what was refused must be asked for again on the next connection.
    pub(crate) fn connection_lost(&mut self) {
        for subscription in &mut self.list {
            subscription.request = None;
            if !matches!(subscription.ask, Ask::Refused { .. }) {
                subscription.set(Ask::Wanted { is_second: false }, &mut self.news);
            }
        }
    }

    /// What was not answered in time is asked for once more, then told unavailable and left alone for a `pause`; whether
    /// there was any.
    pub(crate) fn end_requests(&mut self, now: Millis, timeout: Millis, pause: Millis) -> bool {
        let mut has_any = false;
        for subscription in &mut self.list {
            let Ask::Asked { since, is_second, .. } = subscription.ask else {
                continue;
            };
            if later(since, timeout) <= now {
                has_any = true;
                let next = if is_second {
                    Ask::Unavailable { retry_at: later(now, pause) }
                } else {
                    Ask::Wanted { is_second: true }
                };
                subscription.set(next, &mut self.news);
            }
        }
        has_any
    }

    /// What was put off long enough is wanted again.
    pub(crate) fn end_waits(&mut self, now: Millis) {
        for subscription in &mut self.list {
            if let Ask::Unavailable { retry_at } = subscription.ask
                && retry_at <= now
            {
                subscription.set(Ask::Wanted { is_second: false }, &mut self.news);
            }
        }
    }

    pub(crate) fn offer_timers(&self, timeout: Millis, next: &mut Next) {
        for subscription in &self.list {
            match &subscription.ask {
                Ask::Asked { since, .. } => next.offer(later(*since, timeout), Timer::Request),
                Ask::Unavailable { retry_at } => next.offer(*retry_at, Timer::Retry),
                Ask::Wanted { .. } | Ask::Confirmed | Ask::Refused { .. } => {}
            }
        }
    }
}

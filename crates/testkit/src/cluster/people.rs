//! Who takes part: pairs that talk on different nodes, readers on a third one, readers of websites on all of them, and
//! many who only listen.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::client::{Person, Speech};
use super::judge::{Audience, Channel, Judge};
use super::stage::Stage;
use super::world::World;
use super::{Plan, Trouble};
use crate::tokens::{self, Token};
use crate::unique;

/// How long the tokens of a run are good, in seconds.
const TOKEN: i64 = 24 * 3_600;
/// The websites of the first organization, and those of others.
const SITES: usize = 4;
const FOREIGN_SITES: usize = 2;
/// Of so many clients one pair with its reader talks.
const A_PAIR_AMONG: usize = 50;
/// The most messages of a page.
const PAGE: usize = 200;

struct Site {
    number: usize,
    id: String,
    organization: String,
}

/// What is stored of a conversation, as it is read by HTTP.
struct Book {
    talk: String,
    reader: usize,
    token: String,
}

/// Everybody.
pub(super) struct Cast {
    people: Vec<Person>,
    books: Vec<Book>,
}

impl Site {
    fn token(&self, of: Token) -> String {
        of.org(&self.organization).websites(&[&self.id]).expires_in(TOKEN).sign()
    }
}

impl Cast {
    /// Makes websites and people, and tells the judge of them.
    pub(super) async fn make(plan: &Plan, stage: &Stage, judge: &mut Judge) -> Result<Self, Trouble> {
        let mut sites = Vec::new();
        for at in 0..SITES + FOREIGN_SITES {
            let (id, organization) = stage.website(at >= SITES).await?;
            sites.push(Site { number: judge.add_site(&id, &organization), id, organization });
        }
        for site in &sites {
            stage.is_known(&site.id, &site.organization).await?;
        }
        let mut cast = Self { people: Vec::new(), books: Vec::new() };
        let nodes = stage.count();
        let total = plan.clients * nodes;
        for site in &sites {
            for home in 0..nodes {
                cast.add_site_reader(site, home, judge);
            }
        }
        let pairs = (total / A_PAIR_AMONG).max(sites.len());
        #[expect(clippy::cast_precision_loss, reason = "a count of pairs is small")]
        let pause = Duration::from_secs_f64(2.0 * pairs as f64 / plan.rate);
        for pair in 0..pairs {
            cast.add_pair(&sites[pair % sites.len()], pair, nodes, pause, judge);
        }
        for at in cast.people.len()..total {
            cast.add_listener(&sites[at % sites.len()], at % nodes, judge);
        }
        Ok(cast)
    }

    fn add_site_reader(&mut self, site: &Site, home: usize, judge: &mut Judge) {
        let channel = Channel::Site(site.number);
        let reader = judge.add_reader(&format!("reader of {} on {home}", site.id), Audience::Team, channel);
        let token = site.token(tokens::user(&unique("reader")));
        let channel_id = site.id.clone();
        self.people.push(Person { reader, token, home, channel, channel_id, speaks: None });
    }

    /// A visitor on one node, a user on the next, and a third who only reads on the one behind it.
    fn add_pair(&mut self, site: &Site, pair: usize, nodes: usize, pause: Duration, judge: &mut Judge) {
        let id = unique("conv");
        let talk = judge.add_talk(&id, site.number);
        let channel = Channel::Talk(talk);
        for (role, name) in ["visitor", "user", "third"].into_iter().enumerate() {
            let is_visitor = role == 0;
            let audience = if is_visitor { Audience::Visitor } else { Audience::Team };
            let of = if is_visitor { tokens::visitor(&unique(name)) } else { tokens::user(&unique(name)) };
            let reader = judge.add_reader(&format!("{name} of t{talk}"), audience, channel);
            let speaks = (role < 2).then_some(Speech { talk, is_visitor, pause });
            let (token, home, channel_id) = (site.token(of), (pair + role) % nodes, id.clone());
            self.people.push(Person { reader, token, home, channel, channel_id, speaks });
        }
        let reader = judge.add_reader(&format!("the store of t{talk}"), Audience::Team, Channel::Store(talk));
        self.books.push(Book { talk: id, reader, token: site.token(tokens::user("auditor")) });
    }

    /// A visitor in a conversation where nothing is said.
    fn add_listener(&mut self, site: &Site, home: usize, judge: &mut Judge) {
        let channel_id = unique("conv");
        let talk = judge.add_talk(&channel_id, site.number);
        let channel = Channel::Talk(talk);
        let reader = judge.add_reader(&format!("visitor of t{talk}"), Audience::Visitor, channel);
        let token = site.token(tokens::visitor(&unique("listener")));
        self.people.push(Person { reader, token, home, channel, channel_id, speaks: None });
    }

    /// The people, who then live on their own.
    pub(super) fn take_people(&mut self) -> Vec<Person> {
        std::mem::take(&mut self.people)
    }

    /// Pairs that talk.
    pub(super) fn pairs(&self) -> usize {
        self.books.len()
    }

    /// Reads what was stored since the last time, by way of any node.
    pub(super) async fn read_store(&mut self, stage: &Stage, world: &Rc<World>) -> Result<(), Trouble> {
        for book in &self.books {
            loop {
                let node = world.dice.place(stage.count());
                let after = world.judge.borrow().place(book.reader).unwrap_or_default();
                let path = format!("/v1/conversations/{}/messages?limit={PAGE}&after={after}", book.talk);
                let answer = stage.http(node).get(&path).bearer(&book.token).try_send().await.map_err(Trouble)?;
                let page = &answer.json;
                let Some(messages) = page["messages"].as_array() else {
                    return Err(Trouble(format!("{path} by way of node {node}: {} {page}", answer.status)));
                };
                for message in messages {
                    let message = as_event(message);
                    let (mut judge, now) = (world.judge.borrow_mut(), world.now());
                    judge.hear(book.reader, &message.to_string(), &message, now);
                }
                if messages.len() < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A message of a list, as it would come live.
fn as_event(message: &Value) -> Value {
    let mut event = message.clone();
    event["type"] = "new_message".into();
    event
}

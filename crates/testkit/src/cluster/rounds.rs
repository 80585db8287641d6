//! Rounds: what fails in each, for how long, and what is held against it behind.

use std::rc::Rc;
use std::time::Duration;

use super::Trouble;
use super::dice::Dice;
use super::people::Cast;
use super::report::{Back, Herd};
use super::stage::{Setting, Stage};
use super::world::World;

/// How many nodes there are.
const NODES: usize = 3;
/// How long everybody may take to come back, or to get what is under way.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a drain may take beyond its window.
const END: Duration = Duration::from_secs(15);

/// What a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `kill -9` of a node, which is started again.
    Node,
    /// `kill -9` of NATS, which is started again.
    Nats,
    /// `kill -9` of PostgreSQL, which is started again.
    Database,
    /// A node is cut off from NATS, and gets back.
    Partition,
    /// Every node in turn is asked to end, and started again.
    Rolling,
}

impl Kind {
    /// All kinds, with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("node", Self::Node),
        ("nats", Self::Nats),
        ("database", Self::Database),
        ("partition", Self::Partition),
        ("rolling", Self::Rolling),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// For how long things fail, in ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What is said before and behind a fault.
    pub(super) calm: u64,
    /// How long a fault goes on, at least and at most.
    pub(super) fault: (u64, u64),
    /// How long the database is away in every fourth of its rounds: past the five seconds after which nodes let their
    /// connections go.
    pub(super) long_fault: (u64, u64),
    pub(super) drain_window: Duration,
    /// When all is acknowledged, everybody is there and nothing fails, how long what was acknowledged may be under way.
    pub(super) under_way: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        calm: 1_000,
        fault: (1_500, 4_000),
        long_fault: (6_000, 8_000),
        drain_window: Duration::from_secs(10),
        under_way: Duration::from_secs(30),
    };
    /// How a stage is set for rounds of this pace.
    pub(super) const fn setting(&self) -> Setting {
        Setting { nodes: NODES, shards: 2, drain_window: self.drain_window, has_lines: true }
    }

    pub(super) const QUICK: Self = Self {
        calm: 300,
        fault: (800, 1_600),
        long_fault: (800, 1_600),
        drain_window: Duration::from_secs(2),
        under_way: Duration::from_secs(10),
    };
}

/// What there is to tell of a round beside what is told of all.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) what: String,
    pub(super) back: Option<Back>,
    pub(super) herds: Vec<Herd>,
}

/// Plays one round, as the dice of the run have it, on a stage where all is well, and leaves it so.
pub(super) async fn play(
    kind: Kind,
    number: usize,
    pace: &Pace,
    dice: &Dice,
    stage: &mut Stage,
    world: &Rc<World>,
) -> Result<Told, Trouble> {
    world.wishes(|wish| wish.speaks = true);
    calm(dice, pace).await;
    let node = dice.place(stage.count());
    let fault = dice.between_ms(pace.fault.0, pace.fault.1);
    let mut told = Told::default();
    match kind {
        Kind::Node => {
            told.what = format!("node {node} for {:.1} s", fault.as_secs_f64());
            let killed = world.now();
            let there = on(world, node);
            stage.kill_node(node).await?;
            let begun = tokio::time::Instant::now();
            everybody_is_back(world, "all clients are back").await?;
            told.back = Some(Back { count: there, took: world.now() - killed });
            tokio::time::sleep_until(begun + fault).await;
            stage.start_node(node).await?;
            stage.is_well().await?;
        }
        Kind::Nats => {
            told.what = format!("for {:.1} s", fault.as_secs_f64());
            stage.kill_nats().await?;
            world.times.borrow_mut().outage_begins(world.now(), None);
            tokio::time::sleep(fault).await;
            stage.start_nats().await?;
            stage.is_well().await?;
            world.times.borrow_mut().outage_ends(world.now());
        }
        Kind::Partition => {
            let is_silent = dice.below(2) == 0;
            let how = if is_silent { "in silence" } else { "by resets" };
            told.what = format!("node {node} for {:.1} s, {how}", fault.as_secs_f64());
            stage.cut(node, is_silent).await;
            world.times.borrow_mut().outage_begins(world.now(), Some(node));
            tokio::time::sleep(fault).await;
            stage.heal(node).await;
            stage.is_well().await?;
            world.times.borrow_mut().outage_ends(world.now());
        }
        Kind::Database => {
            let fault = match number % 4 {
                3 => dice.between_ms(pace.long_fault.0, pace.long_fault.1),
                _ => fault,
            };
            let killed = world.now();
            stage.kill_database().await?;
            tokio::time::sleep(fault).await;
            stage.start_database().await?;
            let answered = world.now();
            told.what = format!("for {:.1} s", (answered - killed).as_secs_f64());
            stage.is_well().await?;
            everybody_is_back(world, "all clients are back").await?;
            told.back = Some(Back { count: world.live(), took: world.now() - answered });
        }
        Kind::Rolling => {
            for node in 0..stage.count() {
                told.herds.push(restart(node, pace, stage, world).await?);
            }
            stage.is_well().await?;
        }
    }
    calm(dice, pace).await;
    Ok(told)
}

/// One step of a rolling restart.
async fn restart(node: usize, pace: &Pace, stage: &mut Stage, world: &Rc<World>) -> Result<Herd, Trouble> {
    let there = on(world, node);
    world.arrivals.borrow_mut().clear();
    let asked = world.now();
    stage.ask_node_to_end(node).await?;
    stage.node_ends(node, pace.drain_window + END).await?;
    let ended = world.now();
    everybody_is_back(world, "all clients are back from a node that drained").await?;
    let arrivals = world.arrivals.borrow().iter().map(|at| at.saturating_sub(asked)).collect();
    let lateness = world.times.borrow().latest(asked, ended);
    stage.start_node(node).await?;
    stage.is_node_well(node).await?;
    Ok(Herd::of(there, ended - asked, pace.drain_window, arrivals, lateness))
}

/// Stops what is said, waits until all of it has come to everybody, and looks what is stored.
pub(super) async fn settle(pace: &Pace, stage: &Stage, world: &Rc<World>, cast: &mut Cast) -> Result<(), Trouble> {
    world.wishes(|wish| wish.speaks = false);
    everybody_is_back(world, "everybody is back").await?;
    world.until(PATIENCE, "everything is acknowledged", || world.is_all_acknowledged()).await?;
    cast.read_store(stage, world).await?;
    // What does not come in this time does not come any more, and is found missing.
    let is_complete = || {
        let judge = world.judge.borrow();
        !judge.breaches().is_empty() || (0..judge.readers()).all(|reader| judge.lacks(reader).is_none())
    };
    let waited = world.until(pace.under_way, "everything has come", is_complete).await;
    if waited.is_err() {
        world.judge.borrow_mut().close();
    }
    Ok(())
}

/// Brings everybody to the nodes where they belong.
pub(super) async fn go_home(world: &Rc<World>) -> Result<(), Trouble> {
    world.wishes(|wish| wish.homecoming += 1);
    world.until(PATIENCE, "everybody is home", || world.is_everybody_home()).await
}

async fn everybody_is_back(world: &World, what: &str) -> Result<(), Trouble> {
    // A breach may bar somebody for good.
    world.until(PATIENCE, what, || world.is_everybody_live() || !world.judge.borrow().breaches().is_empty()).await
}

fn on(world: &World, node: usize) -> usize {
    world.seats.borrow().iter().filter(|seat| seat.live.is_some_and(|(on, _)| on == node)).count()
}

pub(super) async fn calm(dice: &Dice, pace: &Pace) {
    tokio::time::sleep(dice.between_ms(pace.calm, 2 * pace.calm)).await;
}

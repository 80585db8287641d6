//! Several nodes of the real program on one PostgreSQL with NATS, whose parts are killed and cut off while thousands of
//! clients talk. A judge holds what every reader was told against what was acknowledged.
//!
//! The clients are of the fixture's own making, so that a fault of the product's client cannot hide one of the server:
//! they come back to any node, resume by place and epoch, and send what was not acknowledged again under its id.
//!
//! What must hold, over all rounds: nothing that was acknowledged is lost, nothing comes twice or out of order, nobody
//! is told what is not for them, and every reader has every durable event of its channel once. While the bus is away, a
//! message is at most 1.5 s on its way from its acknowledgement to readers on other nodes that are there.

mod client;
mod dice;
mod judge;
mod link;
mod people;
mod plant;
mod report;
mod rounds;
mod stage;
mod times;
mod world;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::{JoinSet, LocalSet};

use self::client::Client;
use self::dice::Dice;
use self::judge::{Judge, Sums};
use self::people::Cast;
use self::plant::Plant;
pub use self::rounds::Kind;
use self::rounds::{Pace, Told};
use self::stage::{Setting, Stage};
use self::world::World;

/// How many clients come at once at the beginning.
const CROWD: usize = 100;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `cossistant`.
    pub binary: PathBuf,
    /// How often each kind of fault comes.
    pub rounds: Vec<(Kind, usize)>,
    /// Clients of each node.
    pub clients: usize,
    /// Messages a second of all who talk, about.
    pub rate: f64,
    /// Chooses the order of the rounds, and what fails for how long.
    pub seed: u64,
    /// With short faults and a short drain, for a test run.
    pub is_quick: bool,
}

impl Plan {
    /// The options by which the same faults come in the same order.
    fn again(&self) -> String {
        let count = |wanted: Kind| self.rounds.iter().find(|(kind, _)| *kind == wanted).map(|(_, count)| *count);
        let mut options = format!("--seed {} --clients {} --rate {}", self.seed, self.clients, self.rate);
        match self.rounds.as_slice() {
            [(only, count)] => {
                let name = if *only == Kind::Rolling { "rolling" } else { "rounds" };
                options.push_str(&format!(" --only {} --{name} {count}", only.name()));
            }
            _ => {
                let (rounds, rolling) = (count(Kind::Node), count(Kind::Rolling));
                let [rounds, rolling] = [rounds, rolling].map(Option::unwrap_or_default);
                options.push_str(&format!(" --rounds {rounds} --rolling {rolling}"));
            }
        }
        if self.is_quick {
            options.push_str(" --quick");
        }
        options
    }
}

/// Why a run failed; in words.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Trouble(pub(crate) String);

/// Plays all rounds; each is told by `say` when it is over.
///
/// # Errors
///
/// The first round in which a promise was broken, with the story of the conversation; or what did not come up.
pub fn run(plan: &Plan, say: &dyn Fn(&str)) -> Result<(), Trouble> {
    on_one_thread(play(plan, say))
}

/// Plants faults of a server, one after another, and looks whether each is found.
///
/// # Errors
///
/// The first that is not, or is taken for another; or what did not come up.
pub fn prove(plan: &Plan, say: &dyn Fn(&str)) -> Result<(), Trouble> {
    on_one_thread(plant::prove(plan, say))
}

/// Starts nodes with a shard each, their database and their bus, and keeps them until standard input ends. When all is
/// well, `say` is told, as JSON, where they are (`urls`), which processes they are (`pids`), which one is the first of
/// the database (`databasePid`), and which `websites` there are.
///
/// # Errors
///
/// What did not come up.
pub fn hold(binary: &Path, nodes: usize, websites: usize, say: &dyn Fn(&str)) -> Result<(), Trouble> {
    on_one_thread(async {
        let setting = Setting { nodes, shards: 1, drain_window: Duration::from_secs(1), has_lines: false };
        let stage = Stage::start(binary, setting).await?;
        let mut made = Vec::new();
        for _ in 0..websites {
            let (site, organization) = stage.website(false).await?;
            stage.is_known(&site, &organization).await?;
            made.push(site);
        }
        say(&stage.to_be_measured(&made)?.to_string());
        let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
        ended.map(|_| ()).map_err(|error| Trouble(error.to_string()))
    })
}

fn on_one_thread(work: impl Future<Output = Result<(), Trouble>>) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Trouble(error.to_string()))?;
    LocalSet::new().block_on(&runtime, work)
}

/// Everybody who takes part, for as long as it is held.
struct Company {
    world: Rc<World>,
    cast: Cast,
    _tasks: JoinSet<()>,
}

impl Company {
    /// Makes people and has them come, some at a time, until all are there.
    async fn gather(plan: &Plan, stage: &Stage, plant: Option<Plant>) -> Result<Self, Trouble> {
        let mut judge = Judge::default();
        let mut cast = Cast::make(plan, stage, &mut judge).await?;
        let world = Rc::new(World::new(stage.urls()?, judge, plan.seed, plant));
        let mut tasks = JoinSet::new();
        let watching = Rc::clone(&world);
        tasks.spawn_local(async move { watching.watch_lateness().await });
        for person in cast.take_people() {
            tasks.spawn_local(Client::new(&world, person).live());
            let came = world.seats.borrow().len();
            let is_room = || came - world.live() < CROWD;
            world.until(PATIENCE, "clients come", is_room).await?;
        }
        world.until(PATIENCE, "all clients have come", || world.is_everybody_live()).await?;
        Ok(Self { world, cast, _tasks: tasks })
    }
}

async fn play(plan: &Plan, say: &dyn Fn(&str)) -> Result<(), Trouble> {
    let pace = if plan.is_quick { Pace::QUICK } else { Pace::USUAL };
    let mut stage = Stage::start(&plan.binary, pace.setting()).await?;
    let mut company = Company::gather(plan, &stage, None).await?;
    let world = Rc::clone(&company.world);
    let (all, pairs, now) = (world.live(), company.cast.pairs(), world.now().as_secs_f64());
    let nodes = stage.count();
    say(&format!("{nodes} nodes, {all} clients came in {now:.1} s, {pairs} pairs talk; seed {}", plan.seed));
    let (dice, mut total) = (Dice::new(plan.seed), Total::default());
    for (number, (kind, nth)) in order(plan, &dice).into_iter().enumerate() {
        let played = round(kind, nth, &pace, &dice, &mut stage, &mut company, &mut total).await;
        match played {
            Ok(line) => say(&format!("round {:>3} {:<9} {line}", number + 1, kind.name())),
            Err(trouble) => {
                let (round, name, words, again) = (number + 1, kind.name(), stage.words(), plan.again());
                return Err(Trouble(format!("round {round} ({name}): {trouble}\n{words}\nthe same again: {again}")));
            }
        }
    }
    say(&total.line(&world));
    Ok(())
}

/// The rounds in an order that the seed chooses, each with its number among those of its kind.
fn order(plan: &Plan, dice: &Dice) -> Vec<(Kind, usize)> {
    let mut left: Vec<_> = plan.rounds.iter().flat_map(|(kind, count)| (0..*count).map(|nth| (*kind, nth))).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.remove(dice.place(left.len())));
    }
    order
}

async fn round(
    kind: Kind,
    nth: usize,
    pace: &Pace,
    dice: &Dice,
    stage: &mut Stage,
    company: &mut Company,
    total: &mut Total,
) -> Result<String, Trouble> {
    let Company { world, cast, .. } = company;
    rounds::go_home(world).await?;
    let before = world.judge.borrow().sums();
    // What was late before the round is of no matter.
    world.times.borrow_mut().take(world.now());
    let began = Instant::now();
    let told = rounds::play(kind, nth, pace, dice, stage, world).await?;
    rounds::settle(pace, stage, world, cast).await?;
    let took = began.elapsed();
    verdict(world)?;
    let summary = world.times.borrow_mut().take(world.now());
    let after = world.judge.borrow().sums();
    let Told { what, back, herds } = told;
    let mut line = format!(
        "{what:<34} {:>5.1} s: {} acknowledged, {} heard; ack {}",
        took.as_secs_f64(),
        after.acked - before.acked,
        after.heard - before.heard,
        summary.acks,
    );
    if let Some(back) = back {
        line.push_str(&format!("; {back}"));
    }
    if summary.without_bus.count > 0 {
        let (outage, count) = (summary.outage.as_secs_f64(), summary.without_bus.count);
        line.push_str(&format!("; no bus for {outage:.1} s: {count} to other nodes, {}", summary.without_bus));
    }
    if !herds.is_empty() {
        line.push_str(&format!("; to other nodes {}", summary.deliveries));
    }
    for herd in &herds {
        line.push_str(&format!("\n{:>20} drained: {herd}", ""));
    }
    total.add(took, &summary.without_bus);
    if let Some(herd) = herds.iter().find(|herd| !herd.is_spread()) {
        return Err(Trouble(format!("{line}\nthey come back as a herd: {herd}")));
    }
    if let Some((took, bound)) = summary.too_late {
        return Err(Trouble(format!("{line}\n{took:.0?} where {bound:.0?} are allowed without the bus")));
    }
    Ok(line)
}

/// An error if any promise was broken.
fn verdict(world: &World) -> Result<(), Trouble> {
    let judge = world.judge.borrow();
    let Some(first) = judge.breaches().first() else { return Ok(()) };
    let mut text = format!("{}\nin all: {}", first, counts(&judge));
    for other in &judge.breaches()[1..] {
        text.push_str(&format!("\nalso {other}"));
    }
    if let Some(talk) = first.talk {
        text.push_str(&format!("\nwhat happened in t{talk}:"));
        judge.story(talk).for_each(|line| text.push_str(&format!("\n  {line}")));
    }
    Err(Trouble(text))
}

fn counts(judge: &Judge) -> String {
    judge.counts().map(|(rule, count)| format!("{} {count}", rule.name())).collect::<Vec<_>>().join(", ")
}

/// Sums over all rounds.
#[derive(Debug, Default)]
struct Total {
    rounds: usize,
    took: Duration,
    latest: Duration,
}

impl Total {
    fn add(&mut self, took: Duration, without_bus: &times::Spread) {
        self.rounds += 1;
        self.took += took;
        self.latest = self.latest.max(without_bus.max);
    }

    fn line(&self, world: &World) -> String {
        let judge = world.judge.borrow();
        let Sums { acked, heard, again, known } = judge.sums();
        let (rounds, seconds, latest) = (self.rounds, self.took.as_secs_f64(), self.latest.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a count of messages is small")]
        let rate = acked as f64 / seconds.max(0.001);
        format!(
            "{rounds} rounds in {seconds:.0} s: {acked} messages acknowledged ({rate:.0} a second), heard {heard} times; \
             {again} were sent again, of which {known} were stored already; {}; without the bus at most {latest:.2} s late",
            counts(&judge),
        )
    }
}

//! One history: who is there, and how its plan is carried out.

use cossistant_engine::{Config, Input};
use cossistant_protocol::{ConversationId, PersonId, UserType};
use cossistant_server::sim::{Dice, SimConfig, Tenant};

use super::client::Client;
use super::judge::LEASE_MS;
use super::plan::{self, Deed, Keep, Size, Step};
use super::world::World;
use super::{Outcome, Run};

/// For how long somebody is shown as typing who says nothing more, in ms.
const TYPING_MS: u64 = 6_000;

/// For how long a node tries to say why it closes, in ms.
const CLOSE_MS: u64 = 10_000;

/// For how long a link stalls, in ms.
pub(super) const STALL_MS: u64 = 8_000;

/// A history under way.
pub(super) struct History {
    pub(super) world: World,
    /// Conversations by the visitor whose they are.
    pub(super) conversations: Vec<(PersonId, Vec<String>)>,
    /// Those of the present step.
    pub(super) dice: Dice,
    plan: Vec<Step>,
    pub(super) actions: u64,
    pub(super) faults: u64,
    pub(super) size: Size,
    /// Longer than it takes until all that is under way has come, to notice a silent connection, to try to close it, and
    /// then as long as [`Self::rest_ms`], in ms.
    pub(super) quiet_ms: u64,
    /// Longer than it takes to wait for a lost person's grace or for the end of typing, and to believe no longer in a node
    /// that is gone, in ms.
    pub(super) rest_ms: u64,
}

pub(super) fn person(id: &str) -> PersonId {
    PersonId::new(id).expect("names of the simulation are ids")
}

pub(super) fn conversation(id: &str) -> ConversationId {
    ConversationId::new(id).expect("names of the simulation are ids")
}

impl History {
    pub(super) fn new(run: &Run) -> Self {
        // Apart, so that a history on one node is the same as if there were no others.
        let mut of_nodes = Dice::new(run.seed ^ 0x0de5);
        let drawn = if of_nodes.chance(25) { of_nodes.between(2, 3) as usize } else { 1 };
        let nodes = run.nodes.unwrap_or(drawn);
        let mut dice = Dice::new(run.seed);
        let max_jobs = if Dice::new(run.seed ^ 0x10b5).chance(run.size.few_jobs_percent()) { 2 } else { 64 };
        let heartbeat_ms = if dice.chance(30) { 4_000 } else { 10_000 };
        let presence_grace_ms = if dice.chance(50) { 3_000 } else { 10_000 };
        let config = SimConfig {
            seed: run.seed,
            nodes,
            shards: if nodes > 1 && of_nodes.chance(50) { 1 } else { 2 },
            max_outbox_bytes: if dice.chance(50) { 1 << 20 } else { 6 << 10 },
            replay_limit: if dice.chance(80) { 1_000 } else { 12 },
            heartbeat_ms,
            presence_grace_ms,
            ephemeral_rate: if dice.chance(80) { 0.0 } else { 5.0 },
            max_jobs,
            socket_bytes: if dice.chance(60) { 64 << 10 } else { 1 << 10 },
            notice_delay_ms: if dice.chance(50) { 5 } else { 150 },
            pace_ms: if dice.chance(50) { 5 } else { 60 },
            plant: run.plant,
        };
        let rest_ms = presence_grace_ms.max(TYPING_MS) + if nodes > 1 { LEASE_MS } else { 3_000 };
        let mut history = Self {
            world: World::new(config, dice.split(), run.is_traced),
            conversations: Vec::new(),
            dice: dice.split(),
            plan: Vec::new(),
            actions: 0,
            faults: 0,
            size: run.size,
            quiet_ms: STALL_MS + heartbeat_ms * 5 / 2 + CLOSE_MS + rest_ms,
            rest_ms,
        };
        history.people(&mut dice, &mut of_nodes.split(), heartbeat_ms, run);
        history.plan = plan::draw(run.size, history.world.clients.len(), &mut dice);
        history
    }

    /// Draws who takes part. Sometimes people of different kinds have the same id, which must make no difference.
    fn people(&mut self, dice: &mut Dice, of_queues: &mut Dice, heartbeat: u64, run: &Run) {
        let is_alike = dice.chance(30);
        let (vera, uma, bot) = if is_alike { ("sam", "sam", "sam") } else { ("vera", "uma", "bot") };
        let mut cast = vec![
            ("vera-1", Tenant::Ours, UserType::Visitor, vera),
            ("uma-1", Tenant::Ours, UserType::User, uma),
            ("bot-1", Tenant::Ours, UserType::AiAgent, bot),
        ];
        let more = [
            ("vera-2", Tenant::Ours, UserType::Visitor, vera),
            ("ben-1", Tenant::Ours, UserType::Visitor, "ben"),
            ("udo-1", Tenant::Ours, UserType::User, "udo"),
            ("uma-2", Tenant::Ours, UserType::User, uma),
            ("eve-1", Tenant::Other, UserType::User, if is_alike { "sam" } else { "eve" }),
        ];
        cast.extend(more.into_iter().filter(|_| dice.chance(run.size.others_percent())));
        for (name, tenant, kind, id) in cast {
            let config = Config {
                heartbeat_interval: heartbeat,
                reconnect_delay: dice.between(100, 1_000),
                max_reconnect_delay: 5_000,
                request_timeout: if dice.chance(50) { 10_000 } else { 2_500 },
                has_token_source: dice.chance(40),
                max_queue_size: if of_queues.chance(run.size.short_queues_percent()) { 3 } else { 20 },
                ..Config::default()
            };
            let ahead = dice.below(100_000);
            let who = (tenant, kind, person(id));
            let at = self.world.clients.len();
            self.world.clients.push(Client::new(name, who, config, dice.bits(), ahead, run.plant));
            self.world.clients[at].token = self.world.first_token(at);
        }
        self.conversations = vec![
            (person(vera), vec!["conv-a1".to_owned(), "conv-a2".to_owned()]),
            (person("ben"), vec!["conv-b1".to_owned()]),
        ];
    }

    pub(super) fn run(mut self, keep: &Keep) -> Outcome {
        let plan = std::mem::take(&mut self.plan);
        for (at, step) in plan.iter().enumerate() {
            self.world.run(step.pause);
            if !self.world.failures.is_empty() {
                break;
            }
            if keep.has(at) {
                self.take_step(at, *step);
            }
        }
        if self.world.failures.is_empty() {
            self.check_at_the_end();
        }
        Outcome {
            failure: self.world.failures.first().cloned(),
            trace_hash: self.world.trace.hash(),
            elapsed: self.world.elapsed(),
            trace: self.world.trace.into_lines(),
            steps: plan.len(),
            clients: self.world.clients.len() as u64,
            actions: self.actions,
            faults: self.faults,
        }
    }

    fn take_step(&mut self, at: usize, step: Step) {
        say!(self.world, "-- step {at}: {:?}", step.deed);
        self.dice = Dice::new(step.roll);
        self.world.reseed(self.dice.bits());
        match step.deed {
            Deed::Come(client) => {
                self.connect(client);
                self.listen(client);
            }
            Deed::Act => self.act(),
            Deed::Fault => self.go_wrong(),
            Deed::Check => self.check_meanwhile(),
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        self.world.clients[at].is_wanted = true;
        self.world.input(at, Input::Connect);
    }
}

//! Random scenarios: a server, a network and an application that do what they could do, and some of it wrong.

use cossistant_engine::Config;
use serde_json::{Value, json};

use super::play::{ConfigForm, Player};
use super::write;

const CONVERSATIONS: &[&str] = &["c-1", "c-2", "c-3"];
const CHANNELS: &[&str] = &["conversation:c-1", "conversation:c-2", "conversation:c-3", "website:w-1", "website:w-2"];
/// What people write: empty, long, and beyond what one byte or one word of UTF-16 can say.
const TEXTS: &[&str] =
    &["", "h", "he", "hello", "\u{feff}naïve — 漢字", "👋🏽 \"quoted\"\n", "a long one, a long one, a long one"];
const CLOSE_CODES: &[u16] = &[1000, 1001, 1005, 1006, 1006, 1006, 1011, 1013, 1009, 4000, 4009, 4401, 4403, 4429, 4500];
const ERRORS: &[&str] =
    &["unavailable", "rate_limited", "internal", "unauthorized", "conflict", "not_found", "token_expired"];

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// What can be known from outside about the engine: what it asked for.
#[derive(Default)]
struct World {
    generation: u64,
    is_open: bool,
    is_established: bool,
    token_request: Option<u64>,
    /// Requests on this connection that are not yet answered.
    requests: Vec<Value>,
    seqs: [u64; 3],
    offset: u64,
    sent: u64,
}

/// A scenario of so many steps, as its file has it.
pub(crate) fn scenario(seed: u64, steps: usize) -> String {
    let mut dice = Dice(seed);
    let config = config(&mut dice);
    let mut player = Player::new(ConfigForm::from(config.clone()).to_engine(), seed);
    let mut world = World::default();
    let mut now = 1_000;
    let mut trace = Vec::new();
    for _ in 0..steps {
        now = next_time(&mut dice, now, player.engine().poll_timeout());
        let input = next_input(&mut dice, &mut world, &config);
        let step = player.play(now, input);
        for output in step["outputs"].as_array().into_iter().flatten() {
            world.see(output);
        }
        trace.push(step);
    }
    let about = format!("Random, seed {seed}.");
    write(&about, seed, &config, &trace, &player.stats())
}

impl From<Value> for ConfigForm {
    fn from(value: Value) -> Self {
        serde_json::from_value(value).expect("any value is a form")
    }
}

fn config(dice: &mut Dice) -> Value {
    let plain = Config::default();
    json!({
        "autoReconnect": dice.roll(8) > 0,
        "reconnectDelay": dice.pick(&[0, 100, 1_000]),
        "maxReconnectDelay": plain.max_reconnect_delay,
        "reconnectDelayMultiplier": dice.pick(&[0.5, 1.5, 3.0]),
        "maxReconnectAttempts": dice.pick(&[None, None, Some(3)]),
        "reconnectJitter": dice.pick(&[0.0, 0.25, 1.0]),
        "connectTimeout": plain.connect_timeout,
        "enableMessageQueue": dice.roll(6) > 0,
        "maxQueueSize": dice.pick(&[2, 100]),
        "maxQueueAge": dice.pick(&[5_000, 86_400_000]),
        "heartbeatInterval": dice.pick(&[1_000, 30_000]),
        "requestTimeout": dice.pick(&[500, 10_000]),
        "typingProgressThrottle": 100,
        "hasTokenSource": dice.roll(2) == 0,
    })
}

/// Most often when the engine wants to be woken or a little later, now and then much later or earlier.
fn next_time(dice: &mut Dice, now: u64, wake_at: Option<u64>) -> u64 {
    match (dice.roll(20), wake_at) {
        (0, _) => now + 20_000,
        (1, _) => now.saturating_sub(300),
        (2..=5, Some(at)) => at.max(now),
        (6..=9, _) => now,
        _ => now + dice.roll(150) as u64,
    }
}

fn next_input(dice: &mut Dice, world: &mut World, config: &Value) -> Value {
    let generation = if dice.roll(30) == 0 { world.generation.saturating_sub(1) } else { world.generation };
    // First what makes a connection go on, so that histories get somewhere.
    if let Some(request) = world.token_request
        && dice.roll(2) == 0
    {
        world.token_request = None;
        let outcome = dice.pick(&["ready", "ready", "ready", "ready", "failed", "denied"]);
        return json!({ "type": "token", "request": request, "outcome": outcome });
    }
    if generation > 0 && !world.is_open && dice.roll(2) == 0 {
        world.is_open = true;
        return json!({ "type": dice.pick(&["opened", "opened", "opened", "dialFailed"]), "generation": generation });
    }
    if world.is_open && !world.is_established && dice.roll(2) == 0 {
        world.is_established = true;
        return json!({ "type": "inbound", "generation": generation, "message": established() });
    }
    if world.is_established && dice.roll(2) == 0 {
        return json!({ "type": "inbound", "generation": generation, "message": message(dice, world) });
    }
    match dice.roll(15) {
        0 => json!({ "type": dice.pick(&["connect", "connect", "connect", "connect", "disconnect"]) }),
        1 => json!({ "type": "tick" }),
        2 => json!({ "type": dice.pick(&["online", "offline", "visible", "hidden", "pageHide", "pageShow"]) }),
        3 => {
            json!({ "type": dice.pick(&["subscribe", "subscribe", "unsubscribe"]), "channel": dice.pick(CHANNELS), "holder": dice.roll(3) })
        }
        4 => json!({ "type": "subscribe", "channel": dice.pick(CHANNELS), "holder": dice.roll(3) }),
        5 | 6 => {
            // Now and then one id twice.
            world.sent += u64::from(dice.roll(10) > 0);
            let age = dice.pick(&[0, 0, 0, 4_000]);
            json!({ "type": "send", "id": format!("m-{}", world.sent), "conversationId": dice.pick(CONVERSATIONS), "age": age })
        }
        7 => json!({ "type": dice.pick(&["typingStart", "typingStop"]), "conversationId": dice.pick(CONVERSATIONS) }),
        8 | 9 => {
            json!({ "type": "typingProgress", "conversationId": dice.pick(CONVERSATIONS), "text": dice.pick(TEXTS) })
        }
        10 => json!({ "type": "ping", "id": format!("mine-{}", dice.roll(4)) }),
        11 => json!({ "type": "pass" }),
        12 => json!({ "type": "invalid", "generation": generation }),
        13 => {
            json!({ "type": "closed", "generation": generation, "code": dice.pick(CLOSE_CODES), "reason": dice.pick(&["", "a reason", "grüße"]) })
        }
        _ => {
            let mut config = config.clone();
            config["hasTokenSource"] = json!(dice.roll(2) == 0);
            json!({ "type": "configure", "config": config })
        }
    }
}

impl World {
    fn see(&mut self, output: &Value) {
        match output["type"].as_str().unwrap_or_default() {
            "dial" => {
                self.generation = output["generation"].as_u64().unwrap_or_default();
                (self.is_open, self.is_established) = (false, false);
                self.requests.clear();
            }
            "requestToken" => self.token_request = output["request"].as_u64(),
            "transmit" if output["frame"]["id"].is_string() => self.requests.push(output["frame"].clone()),
            _ => {}
        }
    }
}

fn established() -> Value {
    json!({
        "type": "connection_established", "connectionId": "conn_1", "serverTime": 1, "userId": "u-1", "userType": "user",
        "heartbeatInterval": 30_000,
        "limits": { "maxMessageBytes": 65_536, "maxTextLength": 16_000, "maxSubscriptions": 1_000, "typingInterval": 150, "typingExpiry": 6_000 },
    })
}

/// Something that the server says: most often an answer, else an event.
fn message(dice: &mut Dice, world: &mut World) -> Value {
    if !world.requests.is_empty() && dice.roll(3) > 0 {
        let index = dice.roll(world.requests.len());
        let request = world.requests.remove(index);
        return answer(dice, world, &request);
    }
    let index = dice.roll(CONVERSATIONS.len());
    let conversation = CONVERSATIONS[index];
    match dice.roll(12) {
        0 => json!({ "type": "token_expiring", "expiresAt": "2024-01-01T01:00:00.000Z" }),
        1 => json!({ "type": "reconnect", "reason": "draining", "retryAfter": dice.pick(&[0, 400, 3_000]) }),
        2 => json!({ "type": "error", "error": "words", "code": dice.pick(ERRORS) }),
        3 => json!({ "type": "subscription_ended", "channel": dice.pick(CHANNELS), "reason": "revoked" }),
        4 => json!({ "type": "something_new", "id": "x", "value": [1, 2, { "deep": true }] }),
        5 => json!({ "type": "team_online", "websiteId": "w-1" }),
        _ => {
            // Sometimes an echo, sometimes with one missing before it.
            let step = dice.pick(&[1, 1, 1, 1, 1, 0, 2]);
            world.seqs[index] = (world.seqs[index] + step).max(1);
            world.offset = (world.offset + step).max(1);
            json!({
                "type": "conversation_status_changed", "conversationId": conversation, "status": "open", "websiteId": "w-1",
                "organizationId": "o-1", "seq": world.seqs[index], "offset": world.offset,
            })
        }
    }
}

fn answer(dice: &mut Dice, world: &World, request: &Value) -> Value {
    let id = &request["id"];
    let is_refused = dice.roll(4) == 0;
    let code = dice.pick(ERRORS);
    let channel = request["channel"].as_str().unwrap_or_default();
    match request["type"].as_str().unwrap_or_default() {
        "subscribe" if is_refused => {
            json!({ "type": "subscription_error", "error": "words", "code": code, "channel": channel, "id": id })
        }
        "subscribe" => {
            let place = CHANNELS.iter().position(|known| *known == channel).unwrap_or_default();
            let head = world.seqs.get(place).copied().unwrap_or(world.offset);
            json!({
                "type": "subscription_confirmed", "channel": channel, "id": id, "epoch": dice.pick(&["e", "e", "e", "e", "f"]),
                "head": head, "recovered": dice.roll(5) > 0, "replayed": 0,
            })
        }
        "unsubscribe" => json!({ "type": "subscription_ended", "channel": channel, "id": id }),
        "sendMessage" if is_refused => {
            json!({ "type": "error", "error": "words", "code": code, "id": id, "retryAfter": 250 })
        }
        "sendMessage" => json!({
            "type": "message_ack", "id": id, "conversationId": request["conversationId"], "messageId": "msg_1", "seq": 1,
            "createdAt": "2024-01-01T00:00:00.000Z",
        }),
        "authenticate" => json!({ "type": "authenticated", "id": id, "expiresAt": "2024-01-01T01:00:00.000Z" }),
        _ => json!({ "type": "pong", "id": id }),
    }
}

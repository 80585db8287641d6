//! Traces: where the time of one message goes, from its arrival over the commit to the sockets of its readers.
//!
//! Off unless an address for them is configured, and then for the few that chance or the caller picks. What belongs to
//! a trace is found by the task that works for it: whoever works in [`Tracing::within`] is within that span, and may hand
//! it on by [`current`]. Spans tell kinds, routes and sizes; no texts, tokens or ids of persons.
//!
//! Ended spans go into a bounded queue, from which a thread sends them (`trace/export.rs`). When it is full they are
//! counted and lost: nothing ever waits for traces.

mod export;

use std::borrow::Cow;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, SystemTime};

pub(crate) use export::Exporter;

/// The header by which a caller names the span that a request belongs to (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "traceparent";

static IS_ON: AtomicBool = AtomicBool::new(false);
static TRACER: OnceLock<Tracer> = OnceLock::new();

tokio::task_local! {
    static CURRENT: Option<SpanContext>;
}

/// Picks traces, and takes their spans.
#[derive(Debug)]
struct Tracer {
    /// Which part of the calls that bring no decision are traced: from 0 to 1.
    ratio: f64,
    ended: SyncSender<export::Ended>,
    /// Where the next pseudo-random number comes from; random at the start.
    seed: AtomicU64,
}

/// A span by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanContext {
    trace: u128,
    span: u64,
}

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    /// Something that came from outside.
    Server,
    /// A part of it.
    Internal,
}

/// A value that tells spans of one name apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    Text(String),
    Number(u64),
}

/// A span that goes on; it is told when it is ended, and not at all when it is dropped.
#[derive(Debug)]
pub(crate) struct Span {
    context: SpanContext,
    parent: Option<u64>,
    name: Cow<'static, str>,
    kind: SpanKind,
    started: SystemTime,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Tracer {
    /// Numbers that nobody can guess the seed of are not needed: splitmix64.
    fn random(&self) -> u64 {
        let mut z = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of a span or trace, which is never 0.
    fn id(&self) -> u64 {
        self.random().max(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "chance need not be exact")]
    fn is_picked(&self) -> bool {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64 <= self.ratio && self.ratio > 0.0
    }
}

fn tracer() -> Option<&'static Tracer> {
    if is_on() { TRACER.get() } else { None }
}

/// Whether traces are taken at all. Where they are not, this is all that they cost.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The span that this task works for, if it is traced.
pub(crate) fn current() -> Option<SpanContext> {
    if is_on() { CURRENT.try_with(|context| *context).ok().flatten() } else { None }
}

impl SpanContext {
    /// Reads a `traceparent`: the span, and whether the caller traces it. `None` when it is of no known form.
    fn parse(text: &str) -> Option<(Self, bool)> {
        let mut parts = text.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let hex = |text: &str, length: usize| {
            let is_hex = text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if is_hex { u128::from_str_radix(text, 16).ok() } else { None }
        };
        // Later versions may have more behind; what we read of them stays.
        let version = hex(version, 2).filter(|version| *version != 0xff)?;
        if version == 0 && parts.next().is_some() {
            return None;
        }
        let (trace, span) = (hex(trace, 32)?, u64::try_from(hex(span, 16)?).ok()?);
        let is_sampled = hex(flags, 2)? & 1 == 1;
        (trace != 0 && span != 0).then_some((Self { trace, span }, is_sampled))
    }

    /// Begins a part of this span.
    pub(crate) fn child(self, name: &'static str, started: SystemTime) -> Option<Span> {
        let context = Self { trace: self.trace, span: tracer()?.id() };
        Some(Span {
            context,
            parent: Some(self.span),
            name: name.into(),
            kind: SpanKind::Internal,
            started,
            attributes: Vec::new(),
        })
    }
}

impl Span {
    /// Begins what came from outside, if it is to be traced: as its caller decided by `traceparent`, else by chance.
    pub(crate) fn begin(name: &'static str, traceparent: Option<&str>) -> Option<Self> {
        let tracer = tracer()?;
        let given = traceparent.and_then(SpanContext::parse);
        let is_picked = given.map_or_else(|| tracer.is_picked(), |(_, is_sampled)| is_sampled);
        if !is_picked {
            return None;
        }
        let trace = || u128::from(tracer.id()) << 64 | u128::from(tracer.id());
        let trace = given.map_or_else(trace, |(context, _)| context.trace);
        let parent = given.map(|(context, _)| context.span);
        let context = SpanContext { trace, span: tracer.id() };
        Some(Self {
            context,
            parent,
            name: name.into(),
            kind: SpanKind::Server,
            started: SystemTime::now(),
            attributes: Vec::new(),
        })
    }

    /// Its numbers, for its parts.
    pub(crate) const fn context(&self) -> SpanContext {
        self.context
    }

    /// Gives it the name that is known only now; one of few.
    pub(crate) fn rename(&mut self, name: String) {
        self.name = name.into();
    }

    /// Adds what tells it apart.
    pub(crate) fn note(&mut self, name: &'static str, value: Attribute) {
        self.attributes.push((name, value));
    }

    /// Ends it now.
    pub(crate) fn end(self, is_error: bool) {
        let Some(tracer) = tracer() else { return };
        let ended = export::Ended { span: self, ended: SystemTime::now(), is_error };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = tracer.ended.try_send(ended) {
            export::count("dropped", 1);
        }
    }
}

/// Work that may belong to a span.
pub(crate) trait Tracing: Future + Sized {
    /// Does the work within a span, or within the one that it is in already if there is no other. The work has room in
    /// the future once: every job of every connection is such a one.
    fn within(self, context: Option<SpanContext>) -> impl Future<Output = Self::Output> {
        CURRENT.scope(context.or_else(current), self)
    }
}

impl<F: Future> Tracing for F {}

/// Nanoseconds since 1970.
fn nanos(at: SystemTime) -> u128 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_hardly_more_room_within_a_span() {
        let work = || async {
            let room = [0_u8; 1024];
            std::future::pending::<()>().await;
            std::hint::black_box(room);
        };
        let (alone, within) = (size_of_val(&work()), size_of_val(&work().within(None)));
        assert!(alone >= 1024 && within <= alone + 64, "{alone} and {within} bytes");
    }

    #[test]
    fn a_traceparent_is_read_as_its_standard_says() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let of = |text: &str| SpanContext::parse(text).map(|(context, is_sampled)| (context.span, is_sampled));
        assert_eq!(of(&format!("00-{trace}-b7ad6b7169203331-01")), Some((0xb7ad_6b71_6920_3331, true)));
        assert_eq!(of(&format!("00-{trace}-b7ad6b7169203331-00")), Some((0xb7ad_6b71_6920_3331, false)));
        assert_eq!(of(&format!("cc-{trace}-b7ad6b7169203331-03-more")), Some((0xb7ad_6b71_6920_3331, true)));
        for wrong in [
            "",
            "00",
            &format!("00-{trace}-b7ad6b7169203331"),
            &format!("00-{trace}-b7ad6b7169203331-01-more"),
            &format!("ff-{trace}-b7ad6b7169203331-01"),
            &format!("00-{trace}-0000000000000000-01"),
            &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            &format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            &format!("00-{trace}-b7ad6b716920333-01"),
            &format!("00-{trace}-b7ad6b7169203331-é"),
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_traced_unless_it_was_asked_for() {
        assert!(!is_on() && current().is_none());
        assert!(Span::begin("x", Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).is_none());
    }

    #[test]
    fn chance_picks_the_part_that_it_should() {
        let (ended, _taken) = std::sync::mpsc::sync_channel(1);
        let picked = |ratio| {
            let tracer = Tracer { ratio, ended: ended.clone(), seed: AtomicU64::new(7) };
            (0..10_000).filter(|_| tracer.is_picked()).count()
        };
        assert_eq!((picked(0.0), picked(1.0)), (0, 10_000));
        assert!((900..1_100).contains(&picked(0.1)), "{}", picked(0.1));
    }
}

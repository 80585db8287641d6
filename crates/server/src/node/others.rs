//! The thread for what other nodes do: it talks with them, and looks once a second what they have done to the store that
//! this one shares with them.
//!
//! Whatever nodes tell each other may be lost, and need not be told at all: by this alone every event and every change of
//! who may do what comes to those whom it concerns, a second later. A node that cannot look knows no longer whether what
//! it tells is true, and lets its connections go.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::bus::NodeBus;
use super::talk::{Talk, TalkConfig};
use crate::bus::Notice;
use crate::directory::{Directory, SharedDirectory};
use crate::store::{SiteKey, Store, StoreError};

/// How often it looks.
pub(crate) const LOOKS: Duration = Duration::from_secs(1);
/// How long it waits when it is rung, for others who ring for the same.
pub(crate) const RUNG_PAUSE: Duration = Duration::from_millis(20);
/// How long one look may take at least; more, while that leaves connections open that long.
pub(crate) const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// After how long without a look the connections are closed.
pub(crate) const BLIND_MAX: Duration = Duration::from_secs(5);

/// The thread that looks.
pub(super) struct Watch {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Watch {
    pub(super) fn start(
        store: Arc<dyn Store>,
        directory: Arc<SharedDirectory>,
        bus: Arc<NodeBus>,
        talk: Option<TalkConfig>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let look = Arc::new(Notify::new());
        let talked = (Arc::clone(&bus), Arc::clone(&look));
        let looks = Looks { store, directory, bus, look, known: HashMap::new(), setup: None };
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = looks.look_always() => {}
                    () = talk_until(stopped, talk, talked) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("nodes".to_owned()).spawn(run)?;
        Ok(Self { thread, stop })
    }

    /// Ends it, and waits for that.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the watch of the store ended by a panic");
        }
    }
}

/// Talks with other nodes, if that is wished, until it is stopped.
async fn talk_until(
    stopped: oneshot::Receiver<()>,
    config: Option<TalkConfig>,
    (bus, look): (Arc<NodeBus>, Arc<Notify>),
) {
    let Some(config) = config else {
        // That nobody is there to stop it any more is the signal.
        stopped.await.unwrap_or_default();
        return;
    };
    match Talk::begin(config, bus, look).await {
        Ok(talk) => talk.talk(stopped).await,
        Err(error) => {
            tracing::error!(%error, "NATS cannot be used");
            stopped.await.unwrap_or_default();
        }
    }
}

struct Looks {
    store: Arc<dyn Store>,
    directory: Arc<SharedDirectory>,
    bus: Arc<NodeBus>,
    /// Rung to look at once.
    look: Arc<Notify>,
    /// How far the followed websites had come at the last look.
    known: HashMap<SiteKey, u64>,
    /// The number of the set-up that the directory has at least.
    setup: Option<u64>,
}

impl Looks {
    async fn look_always(mut self) {
        let mut ticks = interval(LOOKS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen_at = Instant::now();
        let mut is_blind = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // However many say so.
                () = self.look.notified() => tokio::time::sleep(RUNG_PAUSE).await,
            }
            let patience = BLIND_MAX.saturating_sub(seen_at.elapsed()).max(LOOK_PATIENCE);
            let looked = timeout(patience, self.look()).await;
            let error = match looked {
                Ok(Ok(())) => {
                    if is_blind {
                        tracing::info!("the store can be read again");
                    }
                    (seen_at, is_blind) = (Instant::now(), false);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not answer".to_owned(),
            };
            if seen_at.elapsed() >= BLIND_MAX {
                if !is_blind {
                    tracing::error!(error, "the store cannot be read, so the connections are closed");
                }
                self.bus.abandon();
                // Who comes meanwhile has as long.
                (seen_at, is_blind) = (Instant::now(), true);
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let known = std::mem::take(&mut self.known);
        let looked = look(&*self.store, &self.directory, self.bus.followed_sites(), known, self.setup).await?;
        (self.known, self.setup) = (looked.known, Some(looked.setup));
        if !looked.moved.is_empty() {
            self.bus.tell_heads(&Arc::from(looked.moved));
        }
        if let Some(directory) = looked.directory {
            self.bus.tell(Notice::Directory(directory));
        }
        Ok(())
    }
}

/// What a look at the store has found.
pub(crate) struct Looked {
    /// How far the followed websites have come.
    pub(crate) known: HashMap<SiteKey, u64>,
    /// Those of them that have come further.
    pub(crate) moved: Vec<(SiteKey, u64)>,
    /// The number of the set-up, which the directory has at least.
    pub(crate) setup: u64,
    /// The directory, if it was read anew.
    pub(crate) directory: Option<Arc<Directory>>,
}

/// Looks how far websites have come since the last look, and whether the set-up is another one.
///
/// # Errors
/// Those of the store; what was known is then to be found out anew, which does no harm.
pub(crate) async fn look(
    store: &dyn Store,
    directory: &SharedDirectory,
    sites: Vec<SiteKey>,
    known: HashMap<SiteKey, u64>,
    setup: Option<u64>,
) -> Result<Looked, StoreError> {
    let offset = |site: &SiteKey| known.get(site).copied().unwrap_or(0);
    let known: Vec<(SiteKey, u64)> = sites.into_iter().map(|site| (site.clone(), offset(&site))).collect();
    let heads = store.heads(known.clone()).await?;
    // Read after the number, so at least as new.
    let directory = if setup == Some(heads.setup) { None } else { Some(directory.reload(store).await?) };
    let known = known.into_iter().chain(heads.moved.iter().cloned()).collect();
    Ok(Looked { known, moved: heads.moved, setup: heads.setup, directory })
}

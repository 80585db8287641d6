//! What is in the works, by webhook: so that one that is slow takes no room from another.

use std::collections::BTreeMap;

use cossistant_protocol::{DeliveryId, WebhookId};

use crate::store::BusyLane;

/// How many deliveries are in the works at once.
pub const AT_ONCE: usize = 256;
/// How many bytes of content are in the works at once; nothing begins while there are as many.
const BYTES: usize = 64 << 20;
/// How many of one organization, so that all of its webhooks together leave room for those of others.
pub(super) const ORGANIZATION: usize = AT_ONCE / 2;
/// How many of one webhook.
pub(super) const LANE: usize = 8;
/// How many of one whose last attempt failed.
const FAILING_LANE: usize = 1;

/// The deliveries in the works; a pure machine that is told what begins and ends.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<WebhookId, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    /// Each with the bytes of its content.
    in_flight: Vec<(DeliveryId, usize)>,
    is_failing: bool,
}

impl Lanes {
    /// How many more may begin.
    pub(super) fn room(&self) -> usize {
        if self.bytes_left() == 0 {
            return 0;
        }
        AT_ONCE.saturating_sub(self.lanes.values().map(|lane| lane.in_flight.len()).sum())
    }

    /// How many bytes are left for those that begin. The last of them may take more: so one always may, however large,
    /// and what is in the works is bounded by these and one delivery.
    pub(super) fn bytes_left(&self) -> usize {
        let in_flight = self.lanes.values().flat_map(|lane| &lane.in_flight);
        BYTES.saturating_sub(in_flight.map(|(_, bytes)| bytes).sum())
    }

    /// What differs from a lane that is empty and well.
    pub(super) fn busy(&self) -> BTreeMap<WebhookId, BusyLane> {
        let busy = |(id, lane): (&WebhookId, &Lane)| {
            let width = if lane.is_failing { FAILING_LANE } else { LANE };
            let in_flight = lane.in_flight.iter().map(|(id, _)| id.clone()).collect();
            (id.clone(), BusyLane { in_flight, lane: width })
        };
        self.lanes.iter().map(busy).collect()
    }

    /// `bytes` is what its content takes.
    pub(super) fn begin(&mut self, webhook: &WebhookId, delivery: &DeliveryId, bytes: usize) {
        self.lanes.entry(webhook.clone()).or_default().in_flight.push((delivery.clone(), bytes));
    }

    /// `was_taken` is `None` when nothing was sent.
    pub(super) fn end(&mut self, webhook: &WebhookId, delivery: &DeliveryId, was_taken: Option<bool>) {
        let Some(lane) = self.lanes.get_mut(webhook) else { return };
        lane.in_flight.retain(|(id, _)| id != delivery);
        if let Some(was_taken) = was_taken {
            lane.is_failing = !was_taken;
        }
        if lane.in_flight.is_empty() && !lane.is_failing {
            self.lanes.remove(webhook);
        }
    }

    /// Forgets which webhooks fail, but for those in the works: some of them may be gone.
    pub(super) fn forget_idle(&mut self) {
        self.lanes.retain(|_, lane| !lane.in_flight.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(name: &str) -> WebhookId {
        WebhookId::new(name).unwrap()
    }

    fn delivery(number: usize) -> DeliveryId {
        DeliveryId::new(format!("dlv_{number}")).unwrap()
    }

    #[test]
    fn a_failing_webhook_gets_one_lane_until_it_takes_something() {
        let mut lanes = Lanes::default();
        let slow = hook("slow");
        lanes.begin(&slow, &delivery(1), 0);
        lanes.begin(&slow, &delivery(2), 0);
        assert_eq!(lanes.room(), AT_ONCE - 2);
        assert_eq!(lanes.busy()[&slow].lane, LANE);
        lanes.end(&slow, &delivery(1), Some(false));
        assert_eq!((lanes.busy()[&slow].lane, lanes.busy()[&slow].in_flight.len()), (FAILING_LANE, 1));
        lanes.end(&slow, &delivery(2), None);
        assert_eq!(lanes.busy()[&slow].lane, FAILING_LANE, "nothing was learned");
        lanes.begin(&slow, &delivery(3), 0);
        lanes.end(&slow, &delivery(3), Some(true));
        assert!(lanes.busy().is_empty());
        assert_eq!(lanes.room(), AT_ONCE);
    }

    #[test]
    fn what_is_in_the_works_has_a_bound_in_bytes() {
        let mut lanes = Lanes::default();
        let (one, other) = (hook("one"), hook("other"));
        lanes.begin(&one, &delivery(1), BYTES - 1);
        assert_eq!((lanes.bytes_left(), lanes.room()), (1, AT_ONCE - 1));
        lanes.begin(&other, &delivery(2), 5 << 20);
        assert_eq!((lanes.bytes_left(), lanes.room()), (0, 0), "there are places, and no bytes");
        lanes.end(&other, &delivery(2), Some(false));
        assert_eq!((lanes.bytes_left(), lanes.room()), (1, AT_ONCE - 1));
        lanes.end(&one, &delivery(1), None);
        lanes.begin(&one, &delivery(3), 2 * BYTES);
        assert_eq!(lanes.room(), 0, "one may be larger than all, alone");
        lanes.end(&one, &delivery(3), Some(true));
        assert_eq!((lanes.bytes_left(), lanes.room()), (BYTES, AT_ONCE));
    }

    #[test]
    fn idle_lanes_are_forgotten() {
        let mut lanes = Lanes::default();
        for name in ["gone", "here"] {
            lanes.begin(&hook(name), &delivery(1), 0);
            lanes.end(&hook(name), &delivery(1), Some(false));
        }
        lanes.begin(&hook("here"), &delivery(2), 0);
        lanes.forget_idle();
        assert_eq!(lanes.busy().into_keys().collect::<Vec<_>>(), [hook("here")]);
    }
}

//! What shards come to show of an agent, in whichever order they hear of it.

use cossistant_protocol::{PersonId, UserType};

use super::*;
use crate::hub::ConnRef;
use crate::hub::ephemeral::tests::{hub, principal, site};

fn conversation() -> ConversationId {
    ConversationId::new("c").unwrap()
}

/// A connection of the agent; what its shard tells of that.
fn connect(hub: &mut Hub) -> (u32, Vec<Notice>) {
    let index = hub.reserve();
    hub.connect(ConnRef { index, serial: u64::from(index) + 1 }, principal(UserType::AiAgent, "bot"), false);
    (index, told(hub))
}

fn say(hub: &mut Hub, index: u32, phase: &str) -> Vec<Notice> {
    hub.say_activity(index, site(), conversation(), (Arc::from(phase), None), false, Timestamp(0));
    told(hub)
}

/// What a shard has told since.
fn told(hub: &mut Hub) -> Vec<Notice> {
    let notice = |effect| if let Effect::Publish(notice) = effect { Some(notice) } else { None };
    hub.take_effects().into_iter().filter_map(notice).collect()
}

/// Lets a shard hear something; what it tells then.
fn hear(hub: &mut Hub, notices: &[Notice]) -> Vec<Notice> {
    notices.iter().for_each(|notice| hub.handle_notice(notice.clone()));
    told(hub)
}

/// What the agent is shown as doing.
fn shown(hub: &Hub) -> Option<&str> {
    let here = hub.sites.get(hub.sites.find(&site())?)?.conversations.get(&conversation())?;
    let activity = &here.goings.as_ref()?.activity;
    activity.iter().find(|it| it.person.key.id == PersonId::new("bot").unwrap()).map(|it| &*it.phase)
}

/// Every order in which two shards' news can come to a third one.
fn orders(one: &[Notice], two: &[Notice]) -> Vec<Vec<Notice>> {
    match (one, two) {
        ([], rest) | (rest, []) => vec![rest.to_vec()],
        ([first, others @ ..], [second, more @ ..]) => {
            let behind = |head: &Notice, tails: Vec<Vec<Notice>>| {
                tails.into_iter().map(|tail| [vec![head.clone()], tail].concat()).collect::<Vec<_>>()
            };
            [behind(first, orders(others, two)), behind(second, orders(one, more))].concat()
        }
    }
}

#[test]
fn the_shard_that_told_of_an_activity_tells_that_it_ends_with_the_agent() {
    let (mut teller, mut other) = (hub(0), hub(1));
    let (index, here) = connect(&mut teller);
    let thinking = say(&mut teller, index, "thinking");
    teller.disconnect(index, true, 0);
    let gone = told(&mut teller);
    let all = [here, thinking, gone].concat();
    assert!(hear(&mut other, &all).is_empty(), "nobody else speaks of it");
    assert_eq!(shown(&other), Some("thinking"));
    let done = hear(&mut teller, &all);
    assert_eq!(shown(&teller), Some("thinking"), "it hears of the end as everybody does");
    for hub in [&mut teller, &mut other] {
        hear(hub, &done);
        assert_eq!(shown(hub), None);
    }
}

#[test]
fn what_is_said_by_a_new_connection_outlives_the_end_of_the_one_before() {
    let (mut teller, mut other) = (hub(0), hub(1));
    let (first, mut news) = connect(&mut teller);
    news.extend(say(&mut teller, first, "reading"));
    teller.disconnect(first, true, 0);
    news.extend(told(&mut teller));
    let (second, here) = connect(&mut teller);
    news.extend(here);
    news.extend(say(&mut teller, second, "writing"));
    // All of it is under way when the shard hears the first of it itself.
    let ends = hear(&mut teller, &news);
    for hub in [&mut teller, &mut other] {
        hear(hub, if hub.config.shard.at == 0 { &[] } else { &news });
        hear(hub, &ends);
        assert_eq!(shown(hub), Some("writing"));
    }
}

#[test]
fn an_end_from_another_shard_ends_the_activity_in_whichever_order_they_are_heard() {
    for is_own_heard_first in [true, false] {
        let (mut teller, mut ender) = (hub(0), hub(1));
        let (one, here) = connect(&mut teller);
        let (two, also_here) = connect(&mut ender);
        let mut from_teller = [here, say(&mut teller, one, "thinking")].concat();
        hear(&mut ender, &from_teller);
        let from_ender = [also_here, say(&mut ender, two, PHASE_DONE)].concat();
        let behind = if is_own_heard_first {
            [hear(&mut teller, &from_teller), hear(&mut teller, &from_ender)].concat()
        } else {
            [hear(&mut teller, &from_ender), hear(&mut teller, &from_teller)].concat()
        };
        hear(&mut teller, &behind);
        assert_eq!(shown(&teller), None);
        from_teller.extend(behind);
        for order in orders(&from_teller, &from_ender) {
            let mut third = hub(2);
            hear(&mut third, &order);
            assert_eq!(shown(&third), None, "{order:?}");
        }
    }
}

#[test]
fn of_two_activities_every_shard_shows_the_same_one() {
    let (mut one, mut two) = (hub(0), hub(1));
    let ((first, here), (second, also_here)) = (connect(&mut one), connect(&mut two));
    let mut from_one = [here, say(&mut one, first, "reading")].concat();
    let mut from_two = [also_here, say(&mut two, second, "writing")].concat();
    let (by_one, by_two) = (hear(&mut one, &from_two), hear(&mut two, &from_one));
    from_one.extend(by_one);
    from_two.extend(by_two);
    for order in orders(&from_one, &from_two) {
        let mut third = hub(2);
        hear(&mut third, &order);
        assert_eq!(shown(&third), Some("writing"), "{order:?}");
    }
}

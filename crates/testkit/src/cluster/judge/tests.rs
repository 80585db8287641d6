//! The judge finds what is planted, and nothing else.

use serde_json::json;

use super::*;

const ORG: &str = "org-a";
const AT: Duration = Duration::ZERO;

/// One conversation beside others, its visitor, a user, a reader of the website, and the store.
struct Scene {
    judge: Judge,
    talk: usize,
    visitor: usize,
    user: usize,
    site_reader: usize,
    store: usize,
    seq: [u64; 2],
}

impl Scene {
    fn new() -> Self {
        let mut judge = Judge::default();
        let site = judge.add_site("site-a", ORG);
        let other_site = judge.add_site("site-b", ORG);
        let talk = judge.add_talk("talk-a", site);
        judge.add_talk("talk-b", site);
        judge.add_talk("talk-c", other_site);
        let visitor = judge.add_reader("visitor", Audience::Visitor, Channel::Talk(talk));
        let user = judge.add_reader("user", Audience::Team, Channel::Talk(talk));
        let site_reader = judge.add_reader("site", Audience::Team, Channel::Site(site));
        let store = judge.add_reader("store", Audience::Team, Channel::Store(talk));
        for reader in [visitor, user, site_reader] {
            judge.confirmed(reader, &json!({"head": 0}), AT);
        }
        Self { judge, talk, visitor, user, site_reader, store, seq: [0, 0] }
    }

    /// The next message, acknowledged, as the visitor (unless it is a note) and the team are told it.
    fn says(&mut self, voice: Voice, number: u64) -> (Value, Value) {
        let word = Word { talk: self.talk, voice, number };
        self.judge.sent(word, AT, 0, false);
        let id = format!("msg-{word}");
        self.judge.acked(word, &id, AT, false);
        self.event(word, &id)
    }

    fn event(&mut self, word: Word, id: &str) -> (Value, Value) {
        let is_note = word.voice == Voice::Note;
        self.seq[0] += u64::from(!is_note);
        self.seq[1] += 1;
        let mut event = json!({
            "type": "new_message", "conversationId": "talk-a", "websiteId": "site-a", "organizationId": ORG,
            "messageId": id, "content": {"text": self.judge.text(word)}, "seq": self.seq[0],
        });
        let visitors = event.clone();
        event["seq"] = json!(self.seq[1]);
        event["offset"] = json!(self.seq[1]);
        if is_note {
            event["visibility"] = json!("internal");
        }
        (visitors, event)
    }

    fn hears(&mut self, reader: usize, event: &Value) {
        self.judge.hear(reader, &event.to_string(), event, AT);
    }

    /// Everybody hears a message for whom it is.
    fn is_said(&mut self, voice: Voice, number: u64) {
        let (visitors, teams) = self.says(voice, number);
        if voice != Voice::Note {
            self.hears(self.visitor, &visitors);
        }
        for reader in [self.user, self.site_reader, self.store] {
            self.hears(reader, &teams);
        }
    }

    #[track_caller]
    fn finds(mut self, rule: Rule) {
        self.judge.close();
        let found: Vec<_> = self.judge.breaches().iter().map(|breach| breach.rule).collect();
        assert!(found.contains(&rule), "{rule:?} in {:?}", self.judge.breaches());
        assert!(self.judge.counts().any(|(counted, count)| counted == rule && count > 0));
        assert!(self.judge.story(self.talk).any(|line| line.contains("BREACH")), "the story tells it");
    }
}

#[test]
fn what_is_right_is_found_right() {
    let mut scene = Scene::new();
    for number in 1..=5 {
        scene.is_said(Voice::Visitor, number);
        scene.is_said(Voice::Note, number);
        scene.is_said(Voice::User, number);
    }
    let resumed = json!({"recovered": true, "head": 12});
    scene.judge.confirmed(scene.visitor, &resumed, AT);
    for other in [json!({"type": "pong"}), json!({"type": "team_online"}), json!({"type": "reconnect"})] {
        scene.hears(scene.visitor, &other);
    }
    let (readers, sums) = (scene.judge.readers(), scene.judge.sums());
    assert!((0..readers).all(|reader| scene.judge.lacks(reader).is_none()));
    scene.judge.close();
    assert!(scene.judge.breaches().is_empty(), "{:?}", scene.judge.breaches());
    assert_eq!((readers, sums), (4, Sums { acked: 15, heard: 55, again: 0, known: 0 }));
    assert!(scene.judge.counts().all(|(_, count)| count == 0));
}

#[test]
fn a_message_that_is_left_out_is_found_at_once_by_the_next_one() {
    let mut scene = Scene::new();
    let _never_told = scene.says(Voice::Visitor, 1);
    let (next, _) = scene.says(Voice::Visitor, 2);
    scene.hears(scene.visitor, &next);
    scene.finds(Rule::Lost);
}

#[test]
fn the_last_message_that_is_left_out_is_found_at_the_end() {
    for lacks in 0..4 {
        let mut scene = Scene::new();
        let (visitors, teams) = scene.says(Voice::Visitor, 1);
        for (at, event) in [&visitors, &teams, &teams, &teams].into_iter().enumerate() {
            if at != lacks {
                scene.hears(at, event);
            }
        }
        let word = Word { talk: scene.talk, voice: Voice::Visitor, number: 1 };
        assert_eq!(scene.judge.lacks(lacks), Some(word));
        scene.finds(Rule::Lost);
    }
}

#[test]
fn a_message_that_was_acknowledged_and_is_not_stored_is_found_though_all_heard_it() {
    let mut scene = Scene::new();
    let (visitors, teams) = scene.says(Voice::Visitor, 1);
    scene.hears(scene.visitor, &visitors);
    scene.hears(scene.user, &teams);
    scene.hears(scene.site_reader, &teams);
    scene.finds(Rule::Lost);
}

#[test]
fn a_place_that_is_taken_for_lost_is_found() {
    for confirmed in [json!({"recovered": false, "head": 9}), json!({"recovered": true, "head": 0})] {
        let mut scene = Scene::new();
        scene.is_said(Voice::Visitor, 1);
        scene.judge.confirmed(scene.user, &confirmed, AT);
        scene.finds(Rule::Lost);
    }
}

#[test]
fn what_comes_twice_is_found() {
    let mut scene = Scene::new();
    let (visitors, _) = scene.says(Voice::User, 1);
    scene.hears(scene.visitor, &visitors);
    scene.hears(scene.visitor, &visitors);
    scene.finds(Rule::Doubled);
}

#[test]
fn what_is_stored_twice_is_found_at_its_second_place() {
    for id in ["msg-t0-user-says-1", "msg-other"] {
        for reader in 0..4 {
            let mut scene = Scene::new();
            let word = Word { talk: scene.talk, voice: Voice::User, number: 1 };
            let (visitors, teams) = scene.says(Voice::User, 1);
            let (visitors_again, teams_again) = scene.event(word, id);
            let (first, second) = if reader == 0 { (visitors, visitors_again) } else { (teams, teams_again) };
            scene.hears(reader, &first);
            scene.hears(reader, &second);
            scene.finds(Rule::Doubled);
        }
    }
}

#[test]
fn what_is_swapped_is_found_though_its_places_are_dense() {
    for reader in 0..4 {
        let mut scene = Scene::new();
        let (mut visitors, mut teams) = scene.says(Voice::User, 1);
        let (visitors_next, teams_next) = scene.says(Voice::User, 2);
        std::mem::swap(&mut visitors["content"], &mut visitors_next.clone()["content"]);
        std::mem::swap(&mut teams["content"], &mut teams_next.clone()["content"]);
        visitors["messageId"] = visitors_next["messageId"].clone();
        teams["messageId"] = teams_next["messageId"].clone();
        scene.hears(reader, if reader == 0 { &visitors } else { &teams });
        let rule = if reader == scene.store { Rule::Lost } else { Rule::Disordered };
        scene.finds(rule);
    }
}

#[test]
fn what_is_swapped_with_another_voice_is_found_by_what_others_heard() {
    let mut scene = Scene::new();
    let (_, mut first) = scene.says(Voice::User, 1);
    let (_, mut second) = scene.says(Voice::Visitor, 1);
    for event in [&first, &second] {
        scene.hears(scene.user, event);
    }
    for field in ["content", "messageId"] {
        let (of_first, of_second) = (first[field].clone(), second[field].clone());
        (first[field], second[field]) = (of_second, of_first);
    }
    for event in [&first, &second] {
        scene.hears(scene.site_reader, event);
    }
    scene.finds(Rule::Disordered);
}

#[test]
fn what_comes_too_early_is_found() {
    let mut scene = Scene::new();
    let _first = scene.says(Voice::User, 1);
    let (_, second) = scene.says(Voice::User, 2);
    scene.hears(scene.user, &second);
    scene.finds(Rule::Lost);
}

#[test]
fn a_note_that_a_visitor_is_told_is_found_in_every_form() {
    let told: [fn(&mut Value); 3] = [
        |_| {},
        // Even where nothing says that it is one.
        |event| drop(event.as_object_mut().and_then(|event| event.remove("visibility"))),
        |event| *event = json!({"type": "whatever", "text": event["content"]["text"]}),
    ];
    for change in told {
        let mut scene = Scene::new();
        let (_, mut event) = scene.says(Voice::Note, 1);
        change(&mut event);
        scene.hears(scene.visitor, &event);
        scene.finds(Rule::Leaked);
    }
}

#[test]
fn what_is_of_others_is_found() {
    let frames = [
        json!({"type": "typing_indicator", "conversationId": "talk-c", "websiteId": "site-b"}),
        json!({"type": "typing_indicator", "conversationId": "unheard-of"}),
        json!({"type": "new_message", "organizationId": "org-b"}),
    ];
    for frame in frames {
        for reader in 0..3 {
            let mut scene = Scene::new();
            scene.hears(reader, &frame);
            assert_eq!(scene.judge.breaches().first().map(|breach| breach.rule), Some(Rule::Leaked), "{frame}");
        }
    }
    let mut scene = Scene::new();
    scene.hears(scene.visitor, &json!({"type": "typing_indicator", "conversationId": "talk-b"}));
    scene.hears(scene.visitor, &json!({"type": "visitor_online", "visitorId": "v"}));
    assert_eq!(scene.judge.breaches().len(), 2, "{:?}", scene.judge.breaches());
    scene.finds(Rule::Leaked);
}

#[test]
fn a_refusal_is_found() {
    let mut scene = Scene::new();
    scene.judge.refused(scene.user, "conflict");
    scene.finds(Rule::Refused);
}

#[test]
fn messages_are_known_by_what_they_say() {
    for voice in Voice::ALL {
        let word = Word { talk: 17, voice, number: 4 };
        assert_eq!(Word::parse(&word.to_string()), Some(word));
        assert_eq!(Word::of(&json!({"content": {"text": format!("{word} of org-a")}})), Some(word));
    }
    assert_eq!(Word::of(&json!({"content": null})), None);
    assert_eq!(Word::parse("hello"), None);
}

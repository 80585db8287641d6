use proptest::prelude::*;

use super::*;

const OWN: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn conversation() -> ConversationId {
    ConversationId::new("conv_1").unwrap()
}

fn topics() -> [Topic; 2] {
    let (organization, website) = (OrganizationId::new("o-1").unwrap(), WebsiteId::new("w_1").unwrap());
    [Topic::Organization(organization.clone()), Topic::Site(SiteKey { organization, website })]
}

fn person(name: Option<&str>) -> Person {
    let key = PersonKey { kind: UserType::User, id: PersonId::new("grace@example.com").unwrap() };
    Person::from(&PersonInfo { key, name: name.map(Arc::from), avatar_url: None })
}

/// One of each.
fn all() -> Vec<Said> {
    let visitor = PersonId::new("vera").unwrap();
    let (conversation, person) = (conversation, person(Some("Grace \u{202e}\u{0}\"")));
    let who = person.who();
    let entries = vec![
        Entry::Visitor { shard: 0, id: visitor.clone() },
        Entry::Member { shard: u16::MAX, person: person.clone(), websites: None },
        Entry::Member { shard: 1, person: person.clone(), websites: Some(vec![WebsiteId::new("a").unwrap()]) },
        Entry::Typing { conversation: conversation(), person: person.clone(), shard: 1, connection: u64::MAX },
        Entry::Viewing { conversation: conversation(), person: person.clone(), shard: 1, connection: 2 },
        Entry::Activity {
            conversation: conversation(),
            person: person.clone(),
            phase: "thinking".to_owned(),
            text: None,
            to_visitor: true,
            shard: 1,
            count: 9,
        },
    ];
    let mut all: Vec<Said> = entries
        .iter()
        .flat_map(|entry| [Change::Put(entry.clone()), Change::Drop(entry.key())])
        .map(|change| Said::Change { before: 0, at: 1 << 53, change })
        .collect();
    let frame = || raw(r#"{"type":"x","text":"a \u0000 b"}"#);
    all.extend([
        Said::Lease { at: 7 },
        Said::State { at: 7, part: 0, parts: 1, entries },
        Said::Ask { of: None, topic: Asked::from(&topics()[0]) },
        Said::Ask { of: Some(OTHER), topic: Asked::from(&topics()[1]) },
        Said::Setup,
        Said::Here { for_ms: 3_000 },
        Said::Lost,
        Said::Gone,
    ]);
    let live = [
        Live::Events(vec![Told { conversation: conversation(), offset: 3, team: frame(), visitor: None, moves: None }]),
        Live::TypingStopped { conversation: conversation(), person: person.clone() },
        Live::Progress { conversation: conversation(), person, frame: frame(), to_visitor: false },
        Live::Seen { conversation: conversation(), by: who.clone(), team: frame(), visitor: Some(frame()) },
        Live::Open { visitor: visitor.clone() },
        Live::Identified { visitor: visitor.clone(), previous: None, conversations: vec![], frame: frame() },
        Live::Disconnect { who, is_revoked: true },
    ];
    all.extend(live.into_iter().map(|live| Said::Live { before: 0, at: 1, live }));
    all
}

#[test]
fn what_is_said_is_understood() {
    for said in all() {
        let bytes = write(OTHER, &said).unwrap();
        let (node, read) = read(&bytes, OWN).unwrap();
        assert_eq!((node, format!("{read:?}")), (OTHER, format!("{said:?}")));
    }
}

#[test]
fn other_versions_and_oneself_are_told_apart() {
    let bytes = write(OTHER, &Said::Setup).unwrap();
    assert_eq!(read(&bytes, OTHER).unwrap_err(), Unread::Own);
    let text = String::from_utf8(bytes).unwrap();
    let newer = text.replace("\"v\":2", "\"v\":3").replace("\"setup\"", "{\"what\":[\"nobody\",\"knows\"]}");
    assert_eq!(read(newer.as_bytes(), OWN).unwrap_err(), Unread::Version);
    let unknown = text.replace("\"setup\"", "\"something\"");
    assert_eq!(read(unknown.as_bytes(), OWN).unwrap_err(), Unread::Form);
    let far = text.replace("\"setup\"", r#"{"lease":{"at":18446744073709551615}}"#);
    assert_eq!(read(far.as_bytes(), OWN).unwrap_err(), Unread::Form, "nobody counts so far");
    let open = |id: &str| {
        let said = format!(r#"{{"live":{{"before":0,"at":1,"live":{{"open":{{"visitor":"{id}"}}}}}}}}"#);
        read(text.replace("\"setup\"", &said).as_bytes(), OWN)
    };
    assert!(open("a-b").is_ok());
    assert_eq!(open("a b>*").unwrap_err(), Unread::Form, "ids are checked");
    assert_eq!(read(&vec![b' '; MAX_BYTES + 1], OWN).unwrap_err(), Unread::Form);
    let deep = format!("{{\"v\":2,\"node\":2,\"said\":{}", "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes(), OWN).unwrap_err(), Unread::Form);
    let large = Told {
        conversation: conversation(),
        offset: 1,
        team: raw(&format!("{:?}", "x".repeat(MAX_BYTES))),
        visitor: None,
        moves: None,
    };
    assert!(
        write(OWN, &Said::Live { before: 0, at: 1, live: Live::Events(vec![large]) }).is_none(),
        "what is too large is not said"
    );
}

#[test]
fn subjects_are_words() {
    let site = SiteKey {
        organization: cossistant_protocol::OrganizationId::new("o-1").unwrap(),
        website: WebsiteId::new("w_1").unwrap(),
    };
    let organization = Topic::Organization(site.organization.clone());
    assert_eq!(subject("e", Some(&Topic::Site(site))), "cossistant.e.site.o-1.w_1");
    assert_eq!(subject("e", Some(&organization)), "cossistant.e.organization.o-1");
    assert_eq!(subject("e", None), "cossistant.e.nodes");
    for wild in ["*", ">", "a.b", "a b", "", "a\r\nPUB x 0"] {
        assert!(WebsiteId::new(wild).is_err(), "it cannot come to a subject at all");
        assert!(std::panic::catch_unwind(|| subject(wild, None)).is_err(), "{wild:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _understood = read(&bytes, OWN);
    }

    /// What was understood once, with some of its bytes changed.
    #[test]
    fn no_change_does_harm(at in any::<prop::sample::Index>(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let all = all();
        let mut bytes = write(OTHER, at.get(&all)).unwrap();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok((node, said)) = read(&bytes, OWN) {
            prop_assert!(write(node, &said).is_some(), "whatever is understood can be said");
        }
    }
}

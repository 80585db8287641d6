//! One conversation, as one shard knows it: who listens here, and what goes on anywhere.

use std::sync::Arc;

use cossistant_protocol::{PersonId, UserType};

use super::few::Few;
use crate::bus::{PersonInfo, Source, Stamp};
use crate::store::PersonKey;

/// A person who is typing.
#[derive(Debug)]
pub(crate) struct Typist {
    pub(crate) person: Arc<PersonInfo>,
    /// The connection that typed last; its end ends the state.
    pub(crate) source: Source,
}

/// A user who has the conversation open, by one or more connections.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) person: Arc<PersonInfo>,
    pub(crate) sources: Vec<Source>,
}

/// What an AI agent is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    pub(crate) person: Arc<PersonInfo>,
    pub(crate) phase: Arc<str>,
    pub(crate) text: Option<Arc<str>>,
    pub(crate) to_visitor: bool,
    pub(crate) stamp: Stamp,
}

/// What goes on in a conversation now.
#[derive(Debug, Default)]
pub(crate) struct Goings {
    pub(crate) typing: Vec<Typist>,
    pub(crate) viewing: Vec<Viewer>,
    pub(crate) activity: Vec<Activity>,
}

/// A conversation with its local subscribers.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// Connections of its visitor.
    pub(crate) visitors: Few<u32>,
    /// Connections of users and AI agents who hold the conversation itself.
    pub(crate) team: Few<u32>,
    /// Whose it is, once a team member here knows.
    pub(crate) visitor: Option<PersonId>,
    /// Rarely there, so it costs an idle conversation one pointer.
    pub(crate) goings: Option<Box<Goings>>,
}

impl Conversation {
    /// Whether there is nothing to remember.
    pub(crate) fn is_idle(&self) -> bool {
        self.visitors.is_empty() && self.team.is_empty() && self.goings.is_none()
    }

    /// What goes on, to be changed.
    fn goings(&mut self) -> &mut Goings {
        self.goings.get_or_insert_default()
    }

    fn tidy(&mut self) {
        if self
            .goings
            .as_ref()
            .is_some_and(|goings| goings.typing.is_empty() && goings.viewing.is_empty() && goings.activity.is_empty())
        {
            self.goings = None;
        }
    }

    /// Applies a typing state; whether others must be told.
    pub(crate) fn start_typing(&mut self, person: &Arc<PersonInfo>, source: Source) -> bool {
        let typing = &mut self.goings().typing;
        if let Some(typist) = typing.iter_mut().find(|typist| typist.person.key == person.key) {
            typist.source = source;
            return false;
        }
        typing.push(Typist { person: Arc::clone(person), source });
        true
    }

    /// Ends a person's typing; with a source only if that connection typed last. Whether others must be told.
    pub(crate) fn stop_typing(&mut self, key: &PersonKey, source: Option<Source>) -> bool {
        let Some(goings) = &mut self.goings else { return false };
        let before = goings.typing.len();
        goings
            .typing
            .retain(|typist| typist.person.key != *key || source.is_some_and(|source| typist.source != source));
        let changed = goings.typing.len() != before;
        self.tidy();
        changed
    }

    /// Applies a viewing state; whether others must be told.
    pub(crate) fn set_viewing(&mut self, person: &Arc<PersonInfo>, source: Source, is_viewing: bool) -> bool {
        let viewing = &mut self.goings().viewing;
        let at = viewing.iter().position(|viewer| viewer.person.key == person.key);
        let changed = match (at, is_viewing) {
            (Some(at), true) => {
                if !viewing[at].sources.contains(&source) {
                    viewing[at].sources.push(source);
                }
                false
            }
            (Some(at), false) => {
                viewing[at].sources.retain(|other| *other != source);
                let is_over = viewing[at].sources.is_empty();
                if is_over {
                    viewing.swap_remove(at);
                }
                is_over
            }
            (None, true) => {
                viewing.push(Viewer { person: Arc::clone(person), sources: vec![source] });
                true
            }
            (None, false) => false,
        };
        self.tidy();
        changed
    }

    /// Applies an agent's activity, unless a newer one is known; whether others must be told, and whether the visitor
    /// could see the one before.
    pub(crate) fn set_activity(&mut self, activity: Activity, is_done: bool) -> (bool, bool) {
        let activities = &mut self.goings().activity;
        let at = activities.iter().position(|other| other.person.key == activity.person.key);
        let was_visible = at.is_some_and(|at| activities[at].to_visitor);
        let changed = match (at, is_done) {
            (Some(at), _) if activities[at].stamp > activity.stamp => false,
            (Some(at), true) => {
                activities.swap_remove(at);
                true
            }
            (Some(at), false) => {
                activities[at] = activity;
                true
            }
            (None, true) => false,
            (None, false) => {
                activities.push(activity);
                true
            }
        };
        self.tidy();
        (changed, was_visible)
    }

    /// The typists that one of an audience may know of, oneself excepted.
    pub(crate) fn typists(&self, own: &PersonKey) -> impl Iterator<Item = &Arc<PersonInfo>> {
        let is_visitor = own.kind == UserType::Visitor;
        self.goings
            .iter()
            .flat_map(|goings| &goings.typing)
            .map(|typist| &typist.person)
            .filter(move |person| person.key != *own && !(is_visitor && person.key.kind == UserType::Visitor))
    }
}

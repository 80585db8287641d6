//! Visitors, members, tokens.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::Response;
use cossistant_protocol::PersonId;
use cossistant_protocol::http::{
    AdmitVisitor, Disconnect, IssueToken, MemberList, MemberProfile, TokenIssued, VisitorAdmitted, VisitorProfile,
    VisitorQuery,
};

use super::call::{Call, done, json};
use super::{Failure, limit_key, now};
use crate::auth::{AuthError, IssuedToken};
use crate::chat::Arrival;
use crate::store::{Member, PersonKey, VisitorRow};

/// A key and two tokens; tokens that go into a head are no longer than that either.
const MAX_ADMISSION_BYTES: usize = 32 * 1024;

pub(super) async fn admit_visitor(call: Call) -> Result<Response, Failure> {
    let now = now();
    let (origin, page, address) = (call.origin().map(str::to_owned), call.page(), call.address());
    let (state, body) = call.body_within::<AdmitVisitor>(MAX_ADMISSION_BYTES).await?;
    let directory = state.directory.current();
    let website = state.auth.admit_page(body.public_key.as_str(), origin.as_deref(), &directory)?;
    let site = website.row.key.clone();
    let visitor = match &body.visitor_token {
        Some(token) => {
            let judged = state.auth.authenticate_socket(token.as_str(), None, &directory, now);
            let principal = state.guard.judge(token.as_str(), limit_key(address), now, judged).await?;
            if principal.visitor_site().as_ref() != Some(&site) {
                return Err(AuthError::forbidden("the visitor's token is not for this website").into());
            }
            Some(state.chat.resolve(principal).await?.id.clone())
        }
        None => {
            state.new_visitors.take(limit_key(address), &site, now.as_millis()).map_err(Failure::rate_limited)?;
            None
        }
    };
    let identity = match &body.identity_token {
        Some(token) => {
            let judged = state.auth.authenticate_identity(token.as_str(), &site, &directory, now);
            Some(state.guard.judge(token.as_str(), limit_key(address), now, judged).await?)
        }
        None => None,
    };
    let arrival = Arrival { site: site.clone(), visitor, identity, page };
    let (visitor_id, identity) = state.chat.admit_visitor(arrival, now).await?;
    let IssuedToken { token, expires_at } =
        state.auth.issue_visitor_token(&site, visitor_id.clone(), identity.as_ref(), now);
    Ok(json(StatusCode::CREATED, &VisitorAdmitted { visitor_id, token, expires_at }))
}

pub(super) async fn read_visitor(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let id: PersonId = call.id("visitorId")?;
    let VisitorQuery { website_id } = call.query()?;
    let VisitorRow { id, identity, first_seen_at, last_seen_at, page } =
        call.state.chat.visitor(&actor, id, website_id).await?;
    let profile = VisitorProfile { visitor_id: id, identity, first_seen_at, last_seen_at, page };
    Ok(json(StatusCode::OK, &profile))
}

pub(super) async fn list_members(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (site, members) = call.state.chat.members(&actor, &call.id("websiteId")?).await?;
    let online: HashSet<PersonKey> = call.state.presence.members_online(&site).await.into_iter().collect();
    let profile = |Member { person, name, avatar_url }| MemberProfile {
        online: online.contains(&person),
        user_id: person.id,
        user_type: person.kind,
        name,
        avatar_url,
    };
    Ok(json(StatusCode::OK, &MemberList { members: members.into_iter().map(profile).collect() }))
}

pub(super) async fn issue_token(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<IssueToken>().await?;
    let request = state.chat.token_request(&actor, body)?;
    let IssuedToken { token, expires_at } = state.auth.issue_token(&request, now());
    Ok(json(StatusCode::CREATED, &TokenIssued { token, expires_at }))
}

pub(super) async fn disconnect(call: Call) -> Result<Response, Failure> {
    let actor = call.principal().await?;
    let (state, body) = call.body::<Disconnect>().await?;
    state.chat.disconnect(&actor, body, now()).await?;
    Ok(done())
}

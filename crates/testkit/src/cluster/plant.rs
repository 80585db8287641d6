//! Faults of a server that are planted between its word and the judge, to see that the whole run finds them.

use std::time::Duration;

use super::judge::Rule;
use super::rounds::{self, Pace};
use super::stage::Stage;
use super::{Company, Plan, Trouble, verdict};

/// What a server at fault would do, once in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// Acknowledges a message and does not store it.
    Forgets,
    /// Leaves a message out for one reader.
    LeavesOut,
    /// Tells one reader a message twice.
    TellsTwice,
    /// Tells one reader two messages of a conversation at each other's places.
    Swaps,
    /// Tells a visitor what is for the team.
    TellsVisitors,
}

impl Plant {
    /// All of them, each with what it has to be found as.
    const ALL: [(Self, Rule); 5] = [
        (Self::Forgets, Rule::Lost),
        (Self::LeavesOut, Rule::Lost),
        (Self::TellsTwice, Rule::Doubled),
        (Self::Swaps, Rule::Disordered),
        (Self::TellsVisitors, Rule::Leaked),
    ];
}

/// Plants each of them in a run of its own, on the same nodes.
pub(super) async fn prove(plan: &Plan, say: &dyn Fn(&str)) -> Result<(), Trouble> {
    let pace = Pace { under_way: Duration::from_secs(3), ..Pace::QUICK };
    let stage = Stage::start(&plan.binary, pace.setting()).await?;
    for (plant, rule) in Plant::ALL {
        let mut company = Company::gather(plan, &stage, Some(plant)).await?;
        company.world.wishes(|wish| wish.speaks = true);
        rounds::calm(&company.world.dice, &pace).await;
        rounds::settle(&pace, &stage, &company.world, &mut company.cast).await?;
        let (judge, found) = (company.world.judge.borrow(), verdict(&company.world));
        let is_found = judge.counts().any(|(counted, count)| counted == rule && count > 0);
        if found.is_ok() || !is_found {
            let told = found.err().map_or_else(|| "nothing".to_owned(), |trouble| trouble.to_string());
            return Err(Trouble(format!("a server that {plant:?} is to be found as {}, not {told}", rule.name())));
        }
        let breach = judge.breaches().iter().find(|breach| breach.rule == rule);
        say(&format!("planted {plant:?}: {}", breach.map(ToString::to_string).unwrap_or_default()));
    }
    Ok(())
}

//! Points at which a process can be made to fail, for tests that ask what is left then.
//!
//! Behind the feature `failpoints`, which no release build takes: without it [`failpoint!`](crate::failpoint) is nothing
//! at all. [`VARIABLE`] says what happens where: `after_claim=abort; before_renew=sleep(4000)@2` aborts the process when
//! its first claim has been answered, and holds up its second renewal for four seconds. An action is `sleep(milliseconds)`,
//! `error` (as if the connection broke there), `exit` or `abort` (nothing is tidied up, as with kill -9); `@n` lets it happen
//! when the process comes by for the n-th time only, counted over all its jobs.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for debug builds: leave the feature out, or build with debug assertions");

/// Names what happens where.
pub const VARIABLE: &str = "LONGSHORE_FAILPOINTS";

/// Whether this build has failpoints.
pub const COMPILED_IN: bool = cfg!(feature = "failpoints");

/// A point that work comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A claim brought jobs, and nobody knows of them yet.
    AfterClaim,
    /// The heartbeat is about to renew the leases.
    BeforeRenew,
    /// A handler is about to call a vendor; its intent is on record.
    BeforeEffect,
    /// The vendor has answered, and nothing is on record of it.
    AfterEffect,
    /// What a job did, or how it ended, is about to be committed.
    BeforeCommit,
    /// It is committed, and nobody here knows of it yet.
    AfterCommit,
    /// Half of a chunk is written.
    MidChunk,
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 7] = [
        Self::AfterClaim,
        Self::BeforeRenew,
        Self::BeforeEffect,
        Self::AfterEffect,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::MidChunk,
    ];

    /// Its name in [`VARIABLE`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterClaim => "after_claim",
            Self::BeforeRenew => "before_renew",
            Self::BeforeEffect => "before_effect",
            Self::AfterEffect => "after_effect",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::MidChunk => "mid_chunk",
        }
    }
}

/// Comes by a [`Point`]: `failpoint!(BeforeCommit);`. Where the point is set to `error`, the function around it returns that.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {
        $crate::failpoints::come_by($crate::failpoints::Point::$point).await?
    };
}

/// Nothing: this build has no failpoints.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {};
}

/// Sets this process's failpoints, once. A build without them refuses, so that nobody waits for a fault that never comes.
#[cfg(not(feature = "failpoints"))]
pub fn set(_: &str) -> Result<(), String> {
    Err("this build has no failpoints: it takes the feature of that name".into())
}

#[cfg(feature = "failpoints")]
pub use armed::{come_by, set};

#[cfg(feature = "failpoints")]
mod armed {
    use std::{
        io, process,
        sync::{
            OnceLock,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use super::Point;

    /// What was said, and what it means.
    static ARMED: OnceLock<(String, Vec<Armed>)> = OnceLock::new();

    #[derive(Debug)]
    struct Armed {
        point: Point,
        action: Action,
        /// The one time that counts; `None`: every time.
        nth: Option<u32>,
        came_by: AtomicU32,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Sleep(Duration),
        Error,
        Exit,
        Abort,
    }

    /// Sets this process's failpoints, once: what was counted would be lost.
    pub fn set(text: &str) -> Result<(), String> {
        let armed = text.split(';').map(str::trim).filter(|one| !one.is_empty()).map(parse).collect::<Result<_, _>>()?;
        let (set, _) = ARMED.get_or_init(|| (text.to_owned(), armed));
        if set == text { Ok(()) } else { Err("the failpoints of this process were set before".into()) }
    }

    /// Does what the point is set to, if it is.
    pub async fn come_by(point: Point) -> Result<(), sqlx::Error> {
        let armed = ARMED.get().map(|(_, armed)| armed);
        for one in armed.into_iter().flatten().filter(|one| one.point == point) {
            let times = one.came_by.fetch_add(1, Ordering::SeqCst) + 1;
            if one.nth.is_some_and(|nth| nth != times) {
                continue;
            }
            match one.action {
                Action::Sleep(how_long) => tokio::time::sleep(how_long).await,
                Action::Error => return Err(sqlx::Error::Io(io::Error::other(format!("failpoint {}", point.name())))),
                Action::Exit => process::exit(70),
                Action::Abort => process::abort(),
            }
        }
        Ok(())
    }

    fn parse(text: &str) -> Result<Armed, String> {
        let (name, rest) = text.split_once('=').ok_or_else(|| format!("{text:?} is not point=action"))?;
        let point = Point::ALL.into_iter().find(|point| point.name() == name.trim()).ok_or_else(|| {
            format!("there is no failpoint {:?}; there are {}", name.trim(), Point::ALL.map(Point::name).join(", "))
        })?;
        let (action, nth) = match rest.split_once('@') {
            None => (rest, None),
            Some((action, nth)) => match nth.trim().parse() {
                Ok(nth @ 1..) => (action, Some(nth)),
                _ => return Err(format!("{text:?}: behind @ stands a number from 1")),
            },
        };
        let action = match action.trim() {
            "error" => Action::Error,
            "exit" => Action::Exit,
            "abort" => Action::Abort,
            other => match other.strip_prefix("sleep(").and_then(|rest| rest.strip_suffix(')')).map(str::parse) {
                Some(Ok(milliseconds)) => Action::Sleep(Duration::from_millis(milliseconds)),
                _ => return Err(format!("{text:?}: an action is sleep(milliseconds), error, exit or abort")),
            },
        };
        Ok(Armed { point, action, nth, came_by: AtomicU32::new(0) })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_point_takes_every_action_each_time_or_at_the_nth() {
            for point in Point::ALL {
                for (word, action) in [
                    ("sleep(250)", Action::Sleep(Duration::from_millis(250))),
                    ("error", Action::Error),
                    ("exit", Action::Exit),
                    ("abort", Action::Abort),
                ] {
                    for (tail, nth) in [("", None), ("@3", Some(3)), (" @ 1", Some(1))] {
                        let text = format!("{} = {word}{tail}", point.name());
                        let armed = parse(&text).unwrap();
                        assert_eq!((armed.point, armed.action, armed.nth), (point, action, nth), "{text}");
                    }
                }
            }
        }

        #[test]
        fn what_is_misspelt_is_refused_with_its_reason() {
            for (text, reason) in [
                ("after_claim", "is not point=action"),
                ("after_calim=abort", "there is no failpoint"),
                ("after_claim=sleep", "an action is"),
                ("after_claim=sleep(soon)", "an action is"),
                ("after_claim=abort@0", "a number from 1"),
            ] {
                let refusal = parse(text).unwrap_err();
                assert!(refusal.contains(reason), "{refusal}");
            }
        }

        #[tokio::test]
        async fn the_nth_time_counts_and_no_other() {
            set("mid_chunk=error@2; ; before_commit=sleep(0)").unwrap();
            assert!(come_by(Point::MidChunk).await.is_ok());
            assert!(come_by(Point::MidChunk).await.is_err());
            assert!(come_by(Point::MidChunk).await.is_ok());
            assert!(come_by(Point::BeforeCommit).await.is_ok());
            assert!(come_by(Point::AfterCommit).await.is_ok());
            assert!(set("mid_chunk=abort").is_err(), "once a process");
            assert!(set("mid_chunk=error@2; ; before_commit=sleep(0)").is_ok(), "the same again is no change");
        }
    }
}

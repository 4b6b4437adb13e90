//! Any sequence of calls and answers: the last good flag set stays, no revision goes back, and
//! nothing stops the machine for good.

#![no_main]

use bucketry_core::{
    FlagSet, MonotonicMillis, Reading, Refresh, RefreshConfig, RefreshStep, Refreshed, RequestId,
    Response, Signature, Signing, Times, UnixMillis,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Call<'a> {
    Poll {
        chance: u64,
    },
    Advance {
        monotonic: u32,
        wall: i32,
    },
    Answer {
        id: u8,
        status: Status,
        etag: Option<&'a str>,
        retry_after: Option<u32>,
        body: Body<'a>,
        signature: u8,
    },
    Fail {
        id: u8,
    },
    Force,
    IfOlderThan {
        millis: u32,
    },
    Suspend,
    Resume,
    NextEvent,
}

/// The statuses that mean something come often.
#[derive(Arbitrary, Debug)]
enum Status {
    Ok,
    NotModified,
    Other(u16),
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    FlagSet { revision: u8, flag: u8 },
    Raw(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    strict: bool,
    signed: bool,
    calls: Vec<Call<'a>>,
}

fuzz_target!(|input: Input<'_>| {
    let config = RefreshConfig::new()
        .reading(if input.strict {
            Reading::Strict
        } else {
            Reading::Lenient
        })
        .signing(if input.signed {
            Signing::Required
        } else {
            Signing::Optional
        });
    let refresh = Refresh::new(config).expect("the defaults are in range");
    let mut state = State {
        refresh,
        held: None,
        now: Times::default(),
    };
    for call in input.calls {
        state.call(call);
    }
    state.asks_again();
});

struct State {
    refresh: Refresh,
    held: Option<Box<FlagSet>>,
    now: Times,
}

impl State {
    fn advance(&mut self, monotonic: u64, wall: i64) {
        let MonotonicMillis(before) = self.now.monotonic;
        self.now.monotonic = MonotonicMillis(before + monotonic);
        let UnixMillis(before) = self.now.wall;
        self.now.wall = UnixMillis(before.saturating_add(wall));
    }

    fn call(&mut self, call: Call<'_>) {
        match call {
            Call::Poll { chance } => drop(self.refresh.poll(self.now.monotonic, chance)),
            Call::Advance { monotonic, wall } => {
                self.advance(monotonic.into(), i64::from(wall) << 8);
            }
            Call::Answer {
                id,
                status,
                etag,
                retry_after,
                body,
                signature,
            } => {
                let body = match body {
                    Body::Raw(bytes) => bytes.to_vec(),
                    Body::FlagSet { revision, flag } => format!(
                        r#"{{"format":1,"revision":{revision},"flags":{{"{flag}":{{"type":"boolean"}}}}}}"#
                    )
                    .into_bytes(),
                };
                let response = Response {
                    status: match status {
                        Status::Ok => 200,
                        Status::NotModified => 304,
                        Status::Other(status) => status,
                    },
                    etag,
                    retry_after: retry_after.map(|millis| Duration::from_millis(millis.into())),
                    body: &body,
                    signature: match signature {
                        0 => Signature::Absent,
                        1 => Signature::Invalid,
                        _ => Signature::Valid { key_id: "k" },
                    },
                };
                self.answer(RequestId(id.into()), &response);
            }
            Call::Fail { id } => {
                self.refresh
                    .on_failure(RequestId(id.into()), self.now.monotonic);
            }
            Call::Force => self.refresh.force_refresh(),
            Call::IfOlderThan { millis } => {
                let age = Duration::from_millis(millis.into());
                self.refresh.refresh_if_older_than(age, self.now.monotonic);
            }
            Call::Suspend => self.refresh.suspend(self.now),
            Call::Resume => self.refresh.resume(self.now),
            Call::NextEvent => drop(self.refresh.next_event()),
        }
    }

    fn answer(&mut self, id: RequestId, response: &Response<'_>) {
        let held = self.held.as_deref();
        if let Refreshed::Accepted(news) = self.refresh.on_response(id, response, held, self.now) {
            let before = held.map_or(0, FlagSet::revision);
            assert!(
                news.revision() >= before,
                "{} after {before}",
                news.revision()
            );
            assert_ne!(response.signature, Signature::Invalid);
            self.held = Some(news);
        }
        assert_eq!(self.refresh.status().ready, self.held.is_some());
    }

    /// Longer than every wait there is together, and a request that was never answered.
    fn asks_again(&mut self) {
        self.refresh.resume(self.now);
        for _ in 0..2 {
            self.advance(2 * 3_600_000, 2 * 3_600_000);
            if let RefreshStep::Fetch(_) = self.refresh.poll(self.now.monotonic, u64::MAX) {
                return;
            }
        }
        panic!("the machine has stopped: {:?}", self.refresh);
    }
}

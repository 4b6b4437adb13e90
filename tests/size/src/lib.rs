//! What a browser's module holds of core, without a wrapper's glue: the evaluator, `Refresh` and
//! `ExposureLog`. `cargo xtask sizes` weighs it, and `cargo xtask test purity` sees that it imports
//! nothing. It is no product.
//!
//! Whatever a wrapper would set or read crosses the border here, behind pointers that the compiler cannot
//! see through, so that nothing is folded away that a page would use. Texts are `Vec<u8>`, because a
//! host can fill one without `unsafe` on this side.

#![cfg_attr(target_family = "wasm", no_std)]
#![expect(
    clippy::box_collection,
    reason = "a host holds a list by one pointer, which a box is and a vector is not"
)]

extern crate alloc;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use bucketry_core::{
    Assignment, BatchId, Counters, EvaluationContext, ExposureDetails, ExposureLog,
    ExposureLogConfig, FlagSet, LogStep, MonotonicMillis, ProducerId, Refresh, RefreshConfig,
    RefreshEvent, RefreshStatus, RefreshStep, Refreshed, RequestId, Resolution, Response, Severity,
    Times, UnixMillis, Value,
};
use core::time::Duration;

/// What a page's module needs beside the core. The standard library's allocator is five kilobytes larger, and its
/// panics another one: nothing in core panics, and a stop is all that a page could do.
#[cfg(target_family = "wasm")]
mod platform {
    use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

    #[global_allocator]
    static ALLOCATOR: WasmDynamicTalc = new_wasm_dynamic_allocator();

    #[panic_handler]
    fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}

#[unsafe(no_mangle)]
extern "C" fn bytes(length: usize) -> Box<Vec<u8>> {
    Box::new(vec![0; length])
}

#[unsafe(no_mangle)]
extern "C" fn bytes_data(bytes: &mut Vec<u8>) -> *mut u8 {
    bytes.as_mut_ptr()
}

/// Each type's destructor is part of the module.
macro_rules! free {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name(_: Box<$type>) {}
    )*};
}

free! {
    bytes_free: Vec<u8>,
    context_free: EvaluationContext<'static>,
    flag_set_free: FlagSet,
    answers_free: Vec<Answer>,
    log_config_free: ExposureLogConfig,
    log_free: ExposureLog,
    log_step_free: LogStep,
    refresh_free: Refresh,
    refresh_event_free: RefreshEvent,
    refresh_status_free: RefreshStatus,
    refresh_step_free: RefreshStep,
    refreshed_free: Refreshed,
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// A borrowed text; none is a null pointer.
#[repr(C)]
pub struct Text(*const u8, usize);

impl From<Option<&str>> for Text {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self(core::ptr::null(), 0), |text| {
            Self(text.as_ptr(), text.len())
        })
    }
}

/// A value as a host reads it: what it is, then a number or a text.
#[repr(C)]
pub struct Slot {
    kind: u32,
    number: f64,
    integer: i64,
    text: Text,
}

impl From<Option<Value<'_>>> for Slot {
    fn from(value: Option<Value<'_>>) -> Self {
        let slot = |kind, number, integer, text| Self {
            kind,
            number,
            integer,
            text: Text::from(text),
        };
        match value {
            None => slot(0, 0.0, 0, None),
            Some(Value::Boolean(value)) => slot(1, 0.0, i64::from(value), None),
            Some(Value::String(value)) => slot(2, 0.0, 0, Some(value)),
            Some(Value::Integer(value)) => slot(3, 0.0, value, None),
            Some(Value::Number(value)) => slot(4, value, 0, None),
            Some(Value::Object(value)) => slot(5, 0.0, 0, Some(value)),
        }
    }
}

/// A resolution as a host reads it.
#[repr(C)]
pub struct Answer {
    flag: Text,
    value: Slot,
    variant: Text,
    reason: Text,
    error_code: Text,
    error_message: Text,
    rule: Text,
    revision: u64,
    unit_missing: bool,
}

impl From<Resolution<'_>> for Answer {
    fn from(resolution: Resolution<'_>) -> Self {
        Self {
            flag: resolution.flag_key().into(),
            value: resolution.value().into(),
            variant: resolution.variant().into(),
            reason: Some(resolution.reason().as_str()).into(),
            error_code: resolution.error_code().map(|code| code.as_str()).into(),
            error_message: resolution.error_message().into(),
            rule: resolution.rule_id().into(),
            revision: resolution.revision(),
            unit_missing: resolution.unit_missing(),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn flag_set(document: &Vec<u8>) -> Option<Box<FlagSet>> {
    FlagSet::from_json(document).ok().map(Box::new)
}

#[unsafe(no_mangle)]
extern "C" fn diagnostic(
    set: &FlagSet,
    index: usize,
    pointer: &mut Text,
    message: &mut Text,
) -> u32 {
    let Some(diagnostic) = set.diagnostics().get(index) else {
        return 0;
    };
    *pointer = Some(diagnostic.pointer.as_str()).into();
    *message = Some(diagnostic.message.as_str()).into();
    if diagnostic.severity == Severity::Error {
        1
    } else {
        2
    }
}

/// The attributes that a wrapper has to marshal.
#[unsafe(no_mangle)]
extern "C" fn attribute(set: &FlagSet, index: usize, name: &mut Text) {
    *name = set.attributes().nth(index).into();
}

#[unsafe(no_mangle)]
extern "C" fn metadata(
    set: &FlagSet,
    flag: &Vec<u8>,
    index: usize,
    name: &mut Text,
    value: &mut Slot,
) {
    let member = set
        .flag(text(flag))
        .and_then(|flag| flag.metadata().iter().nth(index));
    *name = member.map(|(name, _)| name).into();
    *value = member.map(|(_, value)| value).into();
}

#[unsafe(no_mangle)]
extern "C" fn context(json: &Vec<u8>) -> Option<Box<EvaluationContext<'static>>> {
    EvaluationContext::from_json(json).ok().map(Box::new)
}

#[unsafe(no_mangle)]
extern "C" fn context_text(
    context: &mut EvaluationContext<'static>,
    name: &Vec<u8>,
    value: &Vec<u8>,
) {
    context.set(text(name).to_owned(), text(value).to_owned());
}

#[unsafe(no_mangle)]
extern "C" fn context_number(context: &mut EvaluationContext<'static>, name: &Vec<u8>, value: f64) {
    context.set(text(name).to_owned(), value);
}

#[unsafe(no_mangle)]
extern "C" fn context_boolean(
    context: &mut EvaluationContext<'static>,
    name: &Vec<u8>,
    value: bool,
) {
    context.set(text(name).to_owned(), value);
}

#[unsafe(no_mangle)]
extern "C" fn resolve(
    set: &FlagSet,
    flag: &Vec<u8>,
    context: &EvaluationContext<'static>,
    now: i64,
    answer: &mut Answer,
) {
    *answer = set.resolve(text(flag), context, UnixMillis(now)).into();
}

#[unsafe(no_mangle)]
extern "C" fn resolve_all(
    set: &FlagSet,
    context: &EvaluationContext<'static>,
    now: i64,
) -> Box<Vec<Answer>> {
    let all = set.resolve_all(context, UnixMillis(now));
    Box::new(all.map(|(_, resolution)| resolution.into()).collect())
}

#[unsafe(no_mangle)]
extern "C" fn log_config(producer: &ProducerId, sdk: &Vec<u8>) -> Box<ExposureLogConfig> {
    Box::new(ExposureLogConfig::new(*producer).sdk(text(sdk)))
}

#[unsafe(no_mangle)]
extern "C" fn log(config: Box<ExposureLogConfig>) -> Option<Box<ExposureLog>> {
    ExposureLog::new(*config).ok().map(Box::new)
}

/// Resolves and records: what evaluating a flag is.
#[unsafe(no_mangle)]
extern "C" fn log_record(
    log: &mut ExposureLog,
    set: &FlagSet,
    flag: &Vec<u8>,
    context: &EvaluationContext<'static>,
    details: &ExposureDetails<'static>,
    now: &Times,
    chance: u64,
) {
    let resolution = set.resolve(text(flag), context, now.wall);
    if let Some(assignment) = resolution.assignment() {
        let assignment: Assignment<'_> = assignment;
        log.record(&assignment, details, *now, chance);
    } else if resolution.unit_missing() {
        log.count_unit_missing();
    }
}

#[unsafe(no_mangle)]
extern "C" fn log_poll(log: &mut ExposureLog, now: &Times, chance: u64) -> Box<LogStep> {
    Box::new(log.poll(*now, chance))
}

#[unsafe(no_mangle)]
extern "C" fn log_batch(step: &LogStep, body: &mut Text) -> Option<Box<Vec<u8>>> {
    let LogStep::Send(batch) = step else {
        return None;
    };
    *body = Text(batch.body.as_ptr(), batch.body.len());
    Some(Box::new(batch.id.text().into_bytes()))
}

/// Milliseconds; a negative number is none.
fn duration(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[unsafe(no_mangle)]
extern "C" fn log_response(
    log: &mut ExposureLog,
    batch: &BatchId,
    status: u16,
    retry_after: i64,
    now: u64,
) {
    log.on_response(*batch, status, duration(retry_after), MonotonicMillis(now));
}

#[unsafe(no_mangle)]
extern "C" fn log_retry(log: &mut ExposureLog, batch: &BatchId, now: u64) -> bool {
    log.retry(*batch, MonotonicMillis(now), None)
}

#[unsafe(no_mangle)]
extern "C" fn log_flush(log: &mut ExposureLog) {
    log.flush();
}

#[unsafe(no_mangle)]
extern "C" fn log_export(log: &mut ExposureLog) -> Box<Vec<u8>> {
    Box::new(log.export())
}

#[unsafe(no_mangle)]
extern "C" fn log_restore(log: &mut ExposureLog, spool: &Vec<u8>) -> bool {
    log.restore(spool).is_ok()
}

#[unsafe(no_mangle)]
extern "C" fn log_counters(log: &ExposureLog, counters: &mut Counters) {
    *counters = log.counters();
}

#[unsafe(no_mangle)]
extern "C" fn refresh(config: &RefreshConfig) -> Option<Box<Refresh>> {
    Refresh::new(config.clone()).ok().map(Box::new)
}

#[unsafe(no_mangle)]
extern "C" fn refresh_bootstrap(
    refresh: &mut Refresh,
    held: &FlagSet,
    etag: &Vec<u8>,
    age: u64,
    now: &Times,
) {
    refresh.bootstrap(held, Some(text(etag)), Duration::from_millis(age), *now);
}

#[unsafe(no_mangle)]
extern "C" fn refresh_poll(refresh: &mut Refresh, now: u64, chance: u64) -> Box<RefreshStep> {
    Box::new(refresh.poll(MonotonicMillis(now), chance))
}

#[unsafe(no_mangle)]
extern "C" fn refresh_response(
    refresh: &mut Refresh,
    id: u64,
    response: &Response<'static>,
    held: Option<&FlagSet>,
    now: &Times,
) -> Box<Refreshed> {
    Box::new(refresh.on_response(RequestId(id), response, held, *now))
}

#[unsafe(no_mangle)]
extern "C" fn refreshed(refreshed: Box<Refreshed>) -> Option<Box<FlagSet>> {
    match *refreshed {
        Refreshed::Accepted(set) => Some(set),
        _ => None,
    }
}

#[unsafe(no_mangle)]
extern "C" fn refresh_failure(refresh: &mut Refresh, id: u64, now: u64) -> bool {
    refresh.on_failure(RequestId(id), MonotonicMillis(now))
}

#[unsafe(no_mangle)]
extern "C" fn refresh_force(refresh: &mut Refresh) {
    refresh.force_refresh();
}

#[unsafe(no_mangle)]
extern "C" fn refresh_suspend(refresh: &mut Refresh, now: &Times) {
    refresh.suspend(*now);
}

#[unsafe(no_mangle)]
extern "C" fn refresh_resume(refresh: &mut Refresh, now: &Times) {
    refresh.resume(*now);
}

#[unsafe(no_mangle)]
extern "C" fn refresh_event(refresh: &mut Refresh) -> Option<Box<RefreshEvent>> {
    refresh.next_event().map(Box::new)
}

#[unsafe(no_mangle)]
extern "C" fn refresh_status(refresh: &Refresh) -> Box<RefreshStatus> {
    Box::new(refresh.status())
}

//! A test client based on tonic. The client runs the cases of ../cases.ts against a sidecar, and prints `PASS name` or
//! `FAIL name reason` for each case.
//!
//!     client ADDRESS DESCRIPTOR_SET (all|load)
//!
//! The build generates the messages. The program therefore ignores DESCRIPTOR_SET, but accepts it because all clients
//! have the same arguments.
use std::error::Error;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use pannier::cache_service_client::CacheServiceClient;
use pannier::rate_limit_service_client::RateLimitServiceClient;
use pannier::watch_invalidations_response::Event;
use pannier::{
    Algorithm, CacheGetRequest, CacheInvalidateRequest, CacheSetRequest, CheckRateLimitRequest, CheckRateLimitResponse,
    ConfirmInvalidationsRequest, Limit, WatchInvalidationsRequest, WatchInvalidationsResponse,
};

mod pannier {
    tonic::include_proto!("pannier.v1");
}

const MEBIBYTE: usize = 1024 * 1024;
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const LOAD_CALLS: u64 = 10_000;
const LOAD_IN_FLIGHT: usize = 50;
const ANSWERS_EACH: u64 = 1_000;
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const KEEP_ALIVE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(6);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let address = &arguments[1];
    let target = if address.starts_with("unix:") {
        address.clone()
    } else {
        format!("http://{address}")
    };
    let endpoint = Endpoint::from_shared(target).expect("an address");
    let channel = endpoint.connect_lazy();
    if arguments[3] == "load" {
        report("load", under_load(channel).await);
        return;
    }
    let idle = tokio::spawn(keep_alive(endpoint));
    report("rate-limit", rate_limit(&channel).await);
    report("cache-3-mib", cache_large(&channel).await);
    report(
        "message-3.9-mib",
        message_size(&channel, 39 * MEBIBYTE / 10, Code::InvalidArgument).await,
    );
    report(
        "message-over-4-mib",
        message_size(&channel, 4 * MEBIBYTE + 1, Code::ResourceExhausted).await,
    );
    report("metadata-12-kib", metadata_accepted(&channel).await);
    report("metadata-over-16-kib", metadata_refused(&channel).await);
    report("gzip", compressed(&channel).await);
    report("calls-10000", many_calls(&channel).await);
    report("watch", watch(&channel).await);
    report("deadline", deadline(&channel).await);
    report("cancel", cancel(&channel).await);
    report("keep-alive", idle.await.unwrap_or_else(|error| Err(error.into())));
}

fn report(name: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("PASS {name}"),
        Err(error) => println!("FAIL {name} {}", error.to_string().replace('\n', " ")),
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, got {found:?}").into())
    }
}

fn code_of<T>(result: Result<T, Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}

fn with_timeout<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

fn cache(channel: &Channel) -> CacheServiceClient<Channel> {
    CacheServiceClient::new(channel.clone())
}

async fn check(
    channel: &Channel,
    key: &str,
    limit: u64,
    metadata_bytes: usize,
) -> Result<CheckRateLimitResponse, Status> {
    let limit = Limit {
        name: "month".into(),
        algorithm: Algorithm::FixedWindow.into(),
        limit: limit as i64,
        window_ms: 2_592_000_000,
        ..Default::default()
    };
    let message = CheckRateLimitRequest {
        key: key.into(),
        limits: vec![limit],
        ..Default::default()
    };
    let mut request = with_timeout(message, CALL_TIMEOUT);
    if metadata_bytes > 0 {
        let value = MetadataValue::try_from("m".repeat(metadata_bytes)).expect("letters");
        request.metadata_mut().insert("x-large", value);
    }
    let answer = RateLimitServiceClient::new(channel.clone())
        .check_rate_limit(request)
        .await?;
    Ok(answer.into_inner())
}

async fn check_once(channel: &Channel) -> Outcome {
    check(channel, "rust", LOAD_CALLS * 10, 0).await?;
    Ok(())
}

async fn rate_limit(channel: &Channel) -> Outcome {
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(check(channel, "rust-few", 3, 0).await?.allowed);
    }
    expect(seen, vec![true, true, true, false])
}

async fn set(channel: &Channel, key: &str, value: Vec<u8>) -> Result<(), Status> {
    let message = CacheSetRequest {
        key: key.into(),
        value,
        ..Default::default()
    };
    cache(channel).cache_set(with_timeout(message, CALL_TIMEOUT)).await?;
    Ok(())
}

async fn get(channel: &Channel, key: &str) -> Result<Vec<u8>, Status> {
    let message = CacheGetRequest {
        key: key.into(),
        ..Default::default()
    };
    Ok(cache(channel)
        .cache_get(with_timeout(message, CALL_TIMEOUT))
        .await?
        .into_inner()
        .value)
}

async fn compressed(channel: &Channel) -> Outcome {
    let mut client = cache(channel).send_compressed(CompressionEncoding::Gzip);
    for size in [1, MEBIBYTE] {
        let value = vec![b'v'; size];
        let message = CacheSetRequest {
            key: "gzip".into(),
            value: value.clone(),
            ..Default::default()
        };
        client.cache_set(with_timeout(message, CALL_TIMEOUT)).await?;
        let message = CacheGetRequest {
            key: "gzip".into(),
            ..Default::default()
        };
        let answer = client.cache_get(with_timeout(message, CALL_TIMEOUT)).await?;
        expect(answer.into_inner().value == value, true)?;
    }
    Ok(())
}

async fn cache_large(channel: &Channel) -> Outcome {
    let value = b"pannier!".repeat(3 * MEBIBYTE / 8);
    set(channel, "large", value.clone()).await?;
    expect(get(channel, "large").await? == value, true)
}

/// Sends a request that is too large, and checks that the connection remains usable. If only the value is too large,
/// the service rejects it. If the message is too large, the transport rejects it.
async fn message_size(channel: &Channel, bytes: usize, expected: Code) -> Outcome {
    expect(code_of(set(channel, "larger", vec![0; bytes]).await), expected)?;
    check_once(channel).await
}

async fn metadata_accepted(channel: &Channel) -> Outcome {
    check(channel, "rust", LOAD_CALLS * 10, 12 * 1024).await?;
    Ok(())
}

async fn metadata_refused(channel: &Channel) -> Outcome {
    expect(
        code_of(check(channel, "rust", LOAD_CALLS * 10, 17 * 1024).await),
        Code::ResourceExhausted,
    )?;
    check_once(channel).await
}

/// Each executed call consumes a unit of the limit, so the remaining units show how many calls were executed.
async fn many_calls(channel: &Channel) -> Outcome {
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..LOAD_IN_FLIGHT)
        .map(|_| {
            let (channel, next) = (channel.clone(), next.clone());
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while next.fetch_add(1, Relaxed) < LOAD_CALLS {
                    failed.extend(check(&channel, "rust-load", LOAD_CALLS * 10, 0).await.err());
                }
                failed
            })
        })
        .collect();
    let mut failed = Vec::new();
    for worker in workers {
        failed.extend(worker.await?);
    }
    if let Some(status) = failed.first() {
        return Err(format!("{} of {LOAD_CALLS} failed, the first with {status}", failed.len()).into());
    }
    let answer = check(channel, "rust-load", LOAD_CALLS * 10, 0).await?;
    expect(answer.remaining, LOAD_CALLS as i64 * 9 - 1)
}

type Watch = Streaming<WatchInvalidationsResponse>;

async fn open_watch(channel: &Channel, timeout: Duration) -> Result<(Watch, i64), Box<dyn Error + Send + Sync>> {
    let request = with_timeout(WatchInvalidationsRequest::default(), timeout);
    let mut stream = cache(channel).watch_invalidations(request).await?.into_inner();
    match next_event(&mut stream).await? {
        Event::Started(started) => Ok((stream, started.watch_id)),
        other => Err(format!("the first event is {other:?}; expected started").into()),
    }
}

async fn next_event(stream: &mut Watch) -> Result<Event, Status> {
    let event = stream.message().await?.and_then(|response| response.event);
    event.ok_or_else(|| Status::data_loss("the stream ended; expected an event"))
}

async fn watch(channel: &Channel) -> Outcome {
    let (mut stream, _) = open_watch(channel, CALL_TIMEOUT).await?;
    for index in 0..3 {
        let key = format!("watched-{index}").into_bytes();
        let message = CacheInvalidateRequest {
            keys: vec![key.clone()],
            ..Default::default()
        };
        cache(channel)
            .cache_invalidate(with_timeout(message, CALL_TIMEOUT))
            .await?;
        expect(next_event(&mut stream).await?, Event::Key(key))?;
    }
    Ok(())
}

/// Checks that the sidecar ends a stream at its deadline. The library would end the call with its own timer only if the
/// response had not begun by the deadline.
async fn deadline(channel: &Channel) -> Outcome {
    let (mut stream, _) = open_watch(channel, Duration::from_secs(1)).await?;
    let code = code_of(tokio::time::timeout(CALL_TIMEOUT, next_event(&mut stream)).await?);
    expect(code, Code::DeadlineExceeded)?;
    check_once(channel).await
}

/// Checks that a cancellation reaches the sidecar, which must then stop confirming the watch.
async fn cancel(channel: &Channel) -> Outcome {
    let (stream, watch_id) = open_watch(channel, CALL_TIMEOUT).await?;
    expect(is_confirmed(channel, watch_id).await?, true)?;
    // Dropping the stream cancels the call.
    drop(stream);
    let end = Instant::now() + CALL_TIMEOUT;
    while is_confirmed(channel, watch_id).await? {
        if Instant::now() > end {
            return Err("the watch is still confirmed; it must have ended".into());
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    Ok(())
}

async fn is_confirmed(channel: &Channel, watch_id: i64) -> Result<bool, Status> {
    let message = ConfirmInvalidationsRequest { watch_id };
    let answer = cache(channel)
        .confirm_invalidations(with_timeout(message, CALL_TIMEOUT))
        .await?;
    Ok(answer.into_inner().valid_for_ms > 0)
}

/// Checks that an idle connection stays open while the client sends pings. A rejected or unanswered ping would close
/// the connection. The library does not expose its connections. The test therefore opens a stream on which no further
/// events arrive, because this stream would end if its connection closed.
async fn keep_alive(endpoint: Endpoint) -> Outcome {
    let pinged = endpoint
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let channel = pinged.connect().await?;
    let (mut stream, _) = open_namespace(&channel, "rust-idle").await?;
    if let Ok(event) = tokio::time::timeout(IDLE, stream.message()).await {
        return Err(format!("the idle stream sent {event:?}; expected no event").into());
    }
    check_once(&channel).await
}

async fn open_namespace(channel: &Channel, namespace: &str) -> Result<(Watch, Event), Status> {
    let request = with_timeout(
        WatchInvalidationsRequest {
            namespace: namespace.into(),
        },
        CALL_TIMEOUT,
    );
    let mut stream = cache(channel).watch_invalidations(request).await?.into_inner();
    let event = next_event(&mut stream).await?;
    Ok((stream, event))
}

/// Reads the marker while connections end, until a thousand reads have found it and a thousand later reads have not
/// found it. The library has neither wait-for-ready nor retries, so the test itself repeats calls that were certainly
/// not executed. Any other error is a failure.
async fn under_load(channel: Channel) -> Outcome {
    set(&channel, "marker", b"first".to_vec()).await?;
    let with_marker = Arc::new(AtomicU64::new(0));
    let without_marker = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..LOAD_IN_FLIGHT)
        .map(|_| {
            let channel = channel.clone();
            let (with_marker, without_marker, is_over) = (with_marker.clone(), without_marker.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while without_marker.load(Relaxed) < ANSWERS_EACH && !is_over.load(Relaxed) {
                    match get(&channel, "marker").await {
                        Ok(value) if value.is_empty() => {
                            without_marker.fetch_add(1, Relaxed);
                        }
                        Ok(_) => {
                            if with_marker.fetch_add(1, Relaxed) + 1 == ANSWERS_EACH {
                                println!("LOADED");
                            }
                        }
                        Err(status) if was_not_executed(&status) => tokio::time::sleep(RETRY_PAUSE).await,
                        Err(status) => failed.push(describe(&status)),
                    }
                }
                failed
            })
        })
        .collect();
    let timer = tokio::spawn(async move {
        tokio::time::sleep(3 * CALL_TIMEOUT).await;
        is_over.store(true, Relaxed);
    });
    let mut failed = Vec::new();
    for worker in workers {
        failed.extend(worker.await?);
    }
    timer.abort();
    if let Some(first) = failed.first() {
        return Err(format!("{} calls failed, the first with {first}", failed.len()).into());
    }
    expect(without_marker.load(Relaxed) >= ANSWERS_EACH, true)
}

/// Returns whether the call was certainly not executed: no server listened, the server refused the call before its handler started, or the
/// connection ended before the call was written.
fn was_not_executed(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            // The kind `NotFound` means that the socket file does not exist.
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) {
                return true;
            }
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let is_goodbye = error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
            if is_goodbye || error.reason() == Some(h2::Reason::REFUSED_STREAM) {
                return true;
            }
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            let reason = error.source().map(|cause| cause.to_string());
            let is_unsent = matches!(
                reason.as_deref(),
                Some("connection closed" | "connection was not ready")
            );
            if error.is_canceled() && is_unsent {
                return true;
            }
        }
        cause = error.source();
    }
    false
}

fn describe(status: &Status) -> String {
    let mut text = format!("{:?} {}", status.code(), status.message());
    let mut cause = status.source();
    while let Some(error) = cause {
        text.push_str(&format!(" < {error:?}"));
        cause = error.source();
    }
    text
}

//! Answers in the form of the library that speaks JSON-RPC, and errors that it made itself, completed.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, Response, header};
use hyper::body::Body as _;
use jsonrpsee::server::{HttpResponse, MethodResponse, ResponsePayload};
use jsonrpsee::types::{ErrorObjectOwned, Id};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::api::{ApiError, ErrorCode};

/// Marks a response that was made here, so that its errors are complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours;

/// Bytes of a response of the library's own at most: a short error.
const FOREIGN_BYTES_MAX: usize = 64 * 1024;
/// Bytes around a result: the version, the id, braces. An id is repeated as it was sent, so it has a bound of its own.
const ENVELOPE_BYTES_MAX: usize = 4 * 1024;

/// The error object of an error.
pub(super) fn error_object(error: &ApiError) -> ErrorObjectOwned {
    let object = error.to_object();
    ErrorObjectOwned::owned(object.code, object.message, object.data)
}

/// A response that says no.
pub(super) fn refusal(id: Id<'_>, error: &ApiError) -> MethodResponse {
    marked(MethodResponse::error(id, error_object(error)))
}

/// Makes the payload of an answer, or of the error that it is too long.
pub(super) fn payload(
    result: Result<Box<RawValue>, ApiError>,
    bytes_max: u32,
) -> (ResponsePayload<'static, Box<RawValue>>, Option<ErrorCode>) {
    let max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let result = result.and_then(|raw| if raw.get().len() > max { Err(too_long(bytes_max)) } else { Ok(raw) });
    match result {
        Ok(raw) => (ResponsePayload::success(raw), None),
        Err(error) => (ResponsePayload::error(error_object(&error)), Some(error.code)),
    }
}

/// A response with this payload.
pub(super) fn response(id: Id<'_>, payload: ResponsePayload<'static, Box<RawValue>>, bytes_max: u32) -> MethodResponse {
    let max = usize::try_from(bytes_max).unwrap_or(usize::MAX).saturating_add(ENVELOPE_BYTES_MAX);
    marked(MethodResponse::response(id, payload, max))
}

/// Marks a response as made here.
pub(super) fn marked(mut response: MethodResponse) -> MethodResponse {
    response.extensions_mut().insert(Ours);
    response
}

fn too_long(bytes_max: u32) -> ApiError {
    ApiError::new(ErrorCode::ResponseTooLarge, "the answer is too long").with("max", bytes_max)
}

/// Completes an error that the library made before it asked us: a request that is no JSON, no request, or too long.
pub(super) async fn completed(response: HttpResponse) -> Response<Body> {
    let is_ours = response.extensions().get::<Ours>().is_some();
    let is_short = response.size_hint().upper().is_some_and(|bytes| bytes <= FOREIGN_BYTES_MAX as u64);
    let mut response = response.map(Body::new);
    if is_ours || !is_short {
        return response;
    }
    let body = std::mem::take(response.body_mut());
    let bytes = to_bytes(body, FOREIGN_BYTES_MAX).await.unwrap_or_default();
    match completed_error(&bytes) {
        Some(complete) => {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            headers.remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(complete);
        }
        None => *response.body_mut() = Body::from(bytes),
    }
    response
}

fn completed_error(bytes: &Bytes) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let number = i32::try_from(value.get("error")?.get("code")?.as_i64()?).ok()?;
    let code = ErrorCode::from_number(number)?;
    let sentence = match code {
        ErrorCode::ParseError => "the request is not JSON, or has no id",
        ErrorCode::InvalidRequest => "the request is no JSON-RPC 2.0 request",
        ErrorCode::RequestTooLarge => "the request is too long",
        ErrorCode::BatchTooLarge => "the batch holds too many calls",
        _ => "the node failed to answer",
    };
    let error = ApiError::new(code, sentence).to_object();
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string())
}

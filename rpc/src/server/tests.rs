//! The server over real sockets of the loopback interface, with a backend that is made up.

mod bounds;
mod fake;
mod http;
mod methods;
mod pages;
mod web_socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Limits, ServerOptions, serve};
use crate::api::ErrorCode;
use fake::Fake;

/// A server on a thread of its own. It stops when this goes away.
struct Served {
    address: SocketAddr,
    backend: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let backend = Arc::new(Fake::new());
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let served = backend.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("an address")).expect("it waits");
                let options = ServerOptions { allowed_hosts: vec!["node.example".to_owned()], limits };
                let stopped = async { drop(stopped.await) };
                serve(listener, served, options, stopped).await.expect("it serves");
            });
        });
        let address = told.recv().expect("it listens");
        Self { address, backend, stop: Some(stop), thread: Some(thread) }
    }

    /// The result of a call.
    fn ok(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The error of a call, which must be of this code and complete.
    fn err(&self, method: &str, params: Value, code: ErrorCode) -> Value {
        let answer = self.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        check_error(&answer["error"], code);
        answer["error"].clone()
    }

    fn ask(&self, request: &Value) -> Value {
        let (status, body) = http::post(self.address, &request.to_string());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// An error is of this code, and says everything that the catalogue promises.
fn check_error(error: &Value, code: ErrorCode) {
    assert_eq!(error["code"], code.number(), "{error}");
    assert_eq!(error["data"]["symbol"], code.symbol(), "{error}");
    assert_eq!(error["data"]["retryable"], code.is_retryable(), "{error}");
    assert_eq!(error["data"]["hint"], code.hint(), "{error}");
    assert!(error["data"]["info"].is_object(), "{error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty() && !message.ends_with('.')));
}

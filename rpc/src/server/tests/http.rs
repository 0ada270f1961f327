//! The least of an HTTP client: bytes over a socket, without any code of ours.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Opens a connection that gives up rather than hang.
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// Posts JSON to `/rpc`; returns status and body.
pub(super) fn post(address: SocketAddr, body: &str) -> (u16, String) {
    exchange(address, &request(address, "POST", "/rpc", "content-type: application/json\r\n", body)).expect("an answer")
}

/// Gets a page; returns status and body.
pub(super) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    exchange(address, &request(address, "GET", path, "", "")).expect("an answer")
}

/// The text of a request that closes the connection after it.
pub(super) fn request(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads until the connection ends.
pub(super) fn exchange(address: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(address);
    // The server may answer and close before it has read everything.
    let _cut_short = stream.write_all(request.as_bytes());
    read_answer(&mut stream)
}

/// Reads an answer until the connection ends.
pub(super) fn read_answer(stream: &mut TcpStream) -> io::Result<(u16, String)> {
    let mut answer = Vec::new();
    let mut piece = [0; 65_536];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend(&piece[..count]),
            // A reset after an answer takes nothing back.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !answer.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no complete answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| io::Error::other("no status"))?, body.to_owned()))
}

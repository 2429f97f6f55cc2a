use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sluice_engines::Proxy;

/// A server that sends back what it gets, and its address.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = stream.try_clone().unwrap();
                let mut writer = stream;
                std::io::copy(&mut reader, &mut writer).ok();
            });
        }
    });
    address
}

/// Sends a word and waits for it.
fn ask(stream: &mut TcpStream, limit: Duration) -> std::io::Result<()> {
    stream.write_all(b"word")?;
    hear(stream, limit)
}

fn hear(stream: &mut TcpStream, limit: Duration) -> std::io::Result<()> {
    stream.set_read_timeout(Some(limit))?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"word");
    Ok(())
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);

fn silent(result: std::io::Result<()>) -> bool {
    result.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn bytes_and_the_end_of_them_pass() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
}

#[test]
fn a_cut_closes_connections_and_refuses_new_ones_until_it_is_healed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    ask(&mut stream, LONG).unwrap();

    proxy.cut();
    assert!(ask(&mut stream, LONG).is_err());
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.heal();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    ask(&mut stream, LONG).unwrap();
}

#[test]
fn what_was_sent_into_a_hanging_proxy_arrives_when_it_is_healed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut old = TcpStream::connect(proxy.address()).unwrap();
    ask(&mut old, LONG).unwrap();

    proxy.hang();
    let mut new = TcpStream::connect(proxy.address()).unwrap();
    assert!(silent(ask(&mut old, SHORT)));
    assert!(silent(ask(&mut new, SHORT)));

    proxy.heal();
    hear(&mut old, LONG).unwrap();
    hear(&mut new, LONG).unwrap();
}

#[test]
fn a_delay_holds_an_answer_back_and_loses_nothing() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    ask(&mut stream, LONG).unwrap();

    proxy.delay(Duration::from_secs(1));
    assert!(silent(ask(&mut stream, SHORT)), "the answer takes 2 s");
    hear(&mut stream, LONG).unwrap();
}

#[test]
fn a_hanging_proxy_can_be_cut() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    proxy.hang();
    assert!(silent(ask(&mut stream, SHORT)));
    proxy.cut();
    let mut rest = [0; 1];
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert!(matches!(stream.read(&mut rest), Ok(0) | Err(_)));
}

#[test]
fn a_proxy_may_stand_before_something_that_is_down() {
    let proxy = Proxy::start("127.0.0.1:1").unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert!(!silent(ask(&mut stream, LONG)), "the connection ends instead of hanging");
    assert!(Proxy::start("nowhere").is_err());
}

//! The two requests of Kafka's protocol that the tests need: make a topic, and list topics.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Makes a topic and returns the broker's error code, 0 if it was made (CreateTopics, version 2).
pub(crate) fn create_topic(address: &str, topic: &str, replicas: i16) -> i16 {
    let mut body = Vec::new();
    body.extend(1_i32.to_be_bytes()); // topics
    string(&mut body, topic);
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(replicas.to_be_bytes());
    body.extend(0_i32.to_be_bytes()); // assignments
    body.extend(0_i32.to_be_bytes()); // configs
    body.extend(30_000_i32.to_be_bytes()); // timeout
    body.push(0); // not only validated
    let answer = call(address, 19, 2, &body).unwrap();
    // Correlation id, throttle time, number of topics, name, error code.
    let at = 4 + 4 + 4 + 2 + topic.len();
    i16::from_be_bytes([answer[at], answer[at + 1]])
}

/// The whole answer to Metadata for all topics (version 4), in which names are plain text.
/// An error is what a client sees of a broker that is down.
pub(crate) fn metadata(address: &str) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend((-1_i32).to_be_bytes()); // all topics
    body.push(0); // make none
    call(address, 3, 4, &body)
}

/// Whether an answer contains a text.
pub(crate) fn contains(answer: &[u8], text: &str) -> bool {
    answer.windows(text.len()).any(|window| window == text.as_bytes())
}

fn call(address: &str, key: i16, version: i16, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(1_i32.to_be_bytes()); // correlation id
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend(body);

    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes())?;
    stream.write_all(&request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn string(body: &mut Vec<u8>, text: &str) {
    body.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

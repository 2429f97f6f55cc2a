//! A server that answers as a test wants it to.

use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// From the head of a request to status and body.
pub(crate) type Answer = Arc<dyn Fn(&str) -> (u16, String) + Send + Sync>;

/// Serves each connection with one answer; gives the port.
pub(crate) async fn serve(
    tls: Option<TlsAcceptor>,
    answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer: Answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, answer) = (tls.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                match tls {
                    None => once(stream, &answer).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => once(stream, &answer).await,
                        Err(_) => None,
                    },
                }
            });
        }
    });
    port
}

async fn once<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &Answer) -> Option<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        let mut part = [0; 4_096];
        match stream.read(&mut part).await.ok()? {
            0 => return None,
            count => request.extend_from_slice(&part[..count]),
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let (status, body) = answer(&text);
    let response =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(response.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

//! Stands between a pass and its database, and decides about what is asked by its bytes alone.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Db;

/// What becomes of what is asked.
pub enum Answer {
    /// It is passed on, and so is its answer.
    Passed,
    /// It is passed on and done, and the connection is cut before its answer.
    Lost,
    /// It is not passed on, and nothing is any more: a server that stops answering.
    Never,
}

/// Listens, and returns its port.
pub async fn relay(db: &Db, decide: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> u16 {
    let upstream = url::Url::parse(&db.url()).unwrap();
    let upstream = (upstream.host_str().unwrap().to_owned(), upstream.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let decide = Arc::new(decide);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            let decide = Arc::clone(&decide);
            tokio::spawn(async move {
                let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 20]);
                loop {
                    tokio::select! {
                        read = client.read(&mut asked) => {
                            let Ok(read @ 1..) = read else { return };
                            let answer = decide(&asked[..read]);
                            if let Answer::Never = answer {
                                std::future::pending::<()>().await;
                            }
                            server.write_all(&asked[..read]).await.unwrap();
                            if let Answer::Lost = answer {
                                assert_ne!(server.read(&mut answered).await.unwrap(), 0);
                                return;
                            }
                        }
                        read = server.read(&mut answered) => {
                            let Ok(read @ 1..) = read else { return };
                            client.write_all(&answered[..read]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    port
}

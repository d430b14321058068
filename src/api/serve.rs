//! Accepts connections: headers in time or not at all, a bound on how many, and a stop that lets answers out.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::{conventions::Crowded, steady::Steady};

/// How patient the door is, and how wide.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A request whose headers take longer is given up; also how long an idle connection is kept.
    pub headers_within: Duration,
    /// Connections at once, as most are.
    pub connections: usize,
    /// Beyond those, so many on which only what is never shed is answered; the next waits in the system's own queue.
    pub reserve: usize,
    /// An answer of which the caller takes nothing for so long is given up, and the connection with it.
    pub reads_within: Duration,
    /// After the stop, answers under way may take this long.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            headers_within: Duration::from_secs(10),
            connections: 2048,
            reserve: 64,
            reads_within: Duration::from_secs(20),
            grace: Duration::from_secs(25),
        }
    }
}

/// Serves until `stop`, then lets the answers under way out.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    serve_within(Bounds::default(), listener, router, stop).await
}

/// [`serve`], within bounds of the caller's choice.
pub async fn serve_within(bounds: Bounds, listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(bounds.connections + bounds.reserve));
    let connections = TaskTracker::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = room.clone().acquire_owned() => place.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                let crowded = room.available_permits() < bounds.reserve;
                connections.spawn(async move {
                    talk(stream, router, bounds, crowded, stop).await;
                    drop(place);
                });
            }
            // Out of file handles, or the peer was gone before we looked: neither is a reason to stop serving.
            Err(error) => {
                warn!("a connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.grace, connections.wait()).await.is_err() {
        warn!(left = connections.len(), "connections were cut off at the end of the grace period");
    }
    Ok(())
}

async fn talk(stream: TcpStream, router: Router, bounds: Bounds, crowded: bool, stop: CancellationToken) {
    // An answer is one small write; waiting for more to send with it would only delay it.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.map_request(move |mut request: Request<Incoming>| {
        if crowded {
            request.extensions_mut().insert(Crowded);
        }
        request.map(Body::new)
    }));
    let stream = Steady::new(stream, bounds.reads_within);
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.headers_within)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!("a connection ended: {error}");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

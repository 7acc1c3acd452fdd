//! The server's way in: accept a connection, prove who we are, decide who may
//! log in. The decisions are an [`Application`]'s; in the daemon it asks the
//! monitor, since the process that runs this holds neither keys nor privileges.

use std::future::Future;
use std::time::Instant;

use carrick_crypto::rng::SystemRng;
use carrick_proto::auth::AuthAttempt;
use carrick_proto::kex::GroupSizes;
use carrick_proto::{Event, Server, ServerEvent, SignQuestion};
use carrick_wire::msg::transport::DisconnectReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

pub use carrick_proto::ServerConfig;
pub use carrick_proto::auth::{AuthAnswer, Method};

use crate::connection::{Connection, Handle};
use crate::driver::Driver;
use crate::error::Error;
use crate::shared::Shared;

/// A decision about an attempt to log in.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What is answered.
    pub answer: AuthAnswer,
    /// Text for the user to see before that.
    pub banner: Option<String>,
    /// The signature algorithms taken from this user, where they differ from
    /// those that everybody was told.
    pub user_algorithms: Option<Vec<String>>,
    /// End the connection with these words instead of answering; as OpenSSH
    /// does, they go out as a protocol error.
    pub goodbye: Option<String>,
}

impl From<AuthAnswer> for Decision {
    fn from(answer: AuthAnswer) -> Self {
        Self {
            answer,
            banner: None,
            user_algorithms: None,
            goodbye: None,
        }
    }
}

/// What a server decides. The methods are called one at a time; nothing goes
/// on until they answer. `sign` and `group` are called for as long as the
/// connection lives, since keys are renewed.
pub trait Application: Send + 'static {
    /// Signs an exchange with the host key: a signature blob over the hash of
    /// the transcript.
    fn sign(&mut self, question: SignQuestion) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// Chooses a Diffie-Hellman group: safe prime and generator, big-endian.
    fn group(
        &mut self,
        sizes: GroupSizes,
    ) -> impl Future<Output = Option<(Vec<u8>, Vec<u8>)>> + Send;

    /// May this user log in?
    fn auth(&mut self, attempt: AuthAttempt) -> impl Future<Output = Decision> + Send;
}

/// Speaks SSH over `stream` until a user is logged in. Must be called within a
/// tokio runtime; tasks of their own drive the connection and put the
/// questions to `app`.
pub async fn accept<T, A>(
    stream: T,
    config: ServerConfig,
    app: A,
) -> Result<Connection<Server>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Application,
{
    let rng = Box::new(SystemRng);
    let machine = carrick_proto::Connection::server(config, rng, Instant::now());
    let shared = Shared::new(machine);
    let handle = Handle::new(shared.clone());
    tokio::spawn(Driver::new(shared.clone(), stream));
    let (logged_in, login) = oneshot::channel();
    // This task must not keep the connection alive: it has no counted handle.
    tokio::spawn(questions(Asker { shared }, app, logged_in));
    match login.await {
        Ok(()) => Ok(Connection::new(handle)),
        Err(_) => {
            let over = handle.shared().lock().over.clone();
            Err(over.unwrap_or(Error::ChannelClosed))
        }
    }
}

/// The connection, for the task that asks.
struct Asker {
    shared: std::sync::Arc<Shared<Server>>,
}

impl Asker {
    async fn event(&self) -> Option<ServerEvent> {
        std::future::poll_fn(|cx| {
            let mut state = self.shared.lock();
            while let Some(event) = state.side_events.pop_front() {
                if let Event::Side(event) = event {
                    return std::task::Poll::Ready(Some(event));
                }
            }
            if state.over.is_some() {
                return std::task::Poll::Ready(None);
            }
            state.side_waiters.add(cx);
            std::task::Poll::Pending
        })
        .await
    }
}

async fn questions<A: Application>(asker: Asker, mut app: A, logged_in: oneshot::Sender<()>) {
    let mut logged_in = Some(logged_in);
    while let Some(event) = asker.event().await {
        // An answer comes too late when the connection has ended meanwhile;
        // that is no fault of anybody's.
        match event {
            ServerEvent::SignKex(question) => {
                let id = question.id;
                let signature = app.sign(question).await;
                let _ = asker
                    .shared
                    .with(|state| state.conn.answer_signature(id, signature.as_deref()));
            }
            ServerEvent::ChooseGroup { id, sizes } => {
                let group = app.group(sizes).await;
                let _ = asker
                    .shared
                    .with(|state| state.conn.answer_group(id, group));
            }
            ServerEvent::Auth(attempt) => {
                let id = attempt.id;
                let decision = app.auth(attempt).await;
                let open = asker.shared.with(|state| {
                    if let Some(algorithms) = decision.user_algorithms {
                        let _ = state.conn.set_user_algorithms(algorithms);
                    }
                    if let Some(text) = &decision.banner {
                        let _ = state.conn.banner(text);
                    }
                    match &decision.goodbye {
                        Some(text) => state
                            .conn
                            .disconnect(DisconnectReason::PROTOCOL_ERROR, text),
                        None => drop(state.conn.answer_auth(id, decision.answer)),
                    }
                    state.conn.is_open()
                });
                if open && let Some(logged_in) = logged_in.take() {
                    let _ = logged_in.send(());
                }
            }
        }
    }
}

//! The local socket: one JSON request a line in, one answer a line out, for people and the console
//! of this machine. Whoever may write to the file may ask, so its mode and group are the access
//! control.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::query::{Answer, REQUEST_MAX, Request};
use crate::json_lines::{Line, Lines};

/// Clients served at once; each holds one request at a time. More wait in the listen queue.
const CLIENTS_MAX: usize = 32;

/// A client that says nothing for so long is let go, so that a forgotten one cannot hold a place.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a client may take to read an answer.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error("another gateway already answers at {path}")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no socket lies there.
    #[error("{path} exists and is no socket; it was left alone")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// A Unix socket's path has 107 octets at most.
    #[error("{path} is too long for a socket: {length} octets, 107 are possible")]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in octets.
        length: usize,
    },
    /// The group is not known on this machine.
    #[error("the group {group} is not known on this machine")]
    NoGroup {
        /// Its name.
        group: String,
    },
    /// The system refused.
    #[error("the socket {path} could not be opened: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
}

/// Who may use a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// File mode, for example 0o660.
    pub mode: u32,
    /// Group of the file; absent: that of the process.
    pub group: Option<String>,
}

/// Listens at `path`. A socket that nobody answers at any more is replaced; anything else is left
/// alone.
///
/// # Errors
/// See [`SocketError`].
pub fn listen(path: &Path, access: &Access) -> Result<UnixListener, SocketError> {
    use std::os::unix::ffi::OsStrExt;
    let io = |source| SocketError::Io { path: path.to_owned(), source };
    let length = path.as_os_str().as_bytes().len();
    if length > 107 {
        return Err(SocketError::TooLong { path: path.to_owned(), length });
    }
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(SocketError::NoSocket { path: path.to_owned() });
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::InUse { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(io)?;
    }
    if let Some(folder) = path.parent() {
        make_folder(folder, access).map_err(io)?;
    }
    // Bound under another name and moved into place, so that nobody connects before the mode is
    // right.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = path.with_file_name(format!(".{}{}", std::process::id() % 100_000, name));
    let bound = if first.as_os_str().as_bytes().len() <= 107 { first } else { path.to_owned() };
    let _ = std::fs::remove_file(&bound);
    let listener = UnixListener::bind(&bound).map_err(io)?;
    if let Some(group) = &access.group {
        let id = group_id(group).ok_or_else(|| SocketError::NoGroup { group: group.clone() })?;
        std::os::unix::fs::chown(&bound, None, Some(id)).map_err(io)?;
    }
    std::fs::set_permissions(&bound, std::fs::Permissions::from_mode(access.mode)).map_err(io)?;
    if bound != path {
        std::fs::rename(&bound, path).map_err(io)?;
    }
    Ok(listener)
}

/// Makes the socket's folder where there is none: the group that may use the socket must get in.
fn make_folder(folder: &Path, access: &Access) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    if let Some(id) = access.group.as_deref().and_then(group_id) {
        std::os::unix::fs::chown(folder, None, Some(id))?;
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750))
}

/// The number of a group, from `/etc/group`.
pub fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Answers requests; the shell of the socket does not know how.
pub trait Answers: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(&self, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Serves clients until `stop`; requests under way are answered.
pub async fn serve<A: Answers>(listener: UnixListener, answers: Arc<A>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let (answers, stop) = (answers.clone(), stop.clone());
                tokio::spawn(async move {
                    converse(stream, answers, stop).await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "a client of the control socket could not be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (Err(_), _) => break,
        }
    }
    let all = u32::try_from(CLIENTS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(READ_WITHIN, places.acquire_many(all)).await;
}

async fn converse<A: Answers>(stream: UnixStream, answers: Arc<A>, stop: CancellationToken) {
    let (read, mut write) = stream.into_split();
    let mut lines = Lines::new(read, REQUEST_MAX);
    loop {
        let line = tokio::select! {
            () = stop.cancelled() => return,
            line = tokio::time::timeout(SILENCE_MAX, lines.next()) => line,
        };
        let answer = match line {
            Ok(Ok(Line::Text(text))) => match serde_json::from_str(&text) {
                Ok(request) => answers.answer(request).await,
                Err(error) => {
                    Answer::refused("malformed", format!("The line is no request: {error}."))
                }
            },
            Ok(Ok(Line::TooLong)) => Answer::refused(
                "too_long",
                format!("A request may have {REQUEST_MAX} octets at most."),
            ),
            Ok(Ok(Line::NotText)) => Answer::refused("malformed", "The line is not UTF-8 text."),
            Ok(Ok(Line::End { .. }) | Err(_)) | Err(_) => return,
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        match tokio::time::timeout(READ_WITHIN, write.write_all(&text)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};

    struct Echo;
    impl Answers for Echo {
        async fn answer(&self, request: Request) -> Answer {
            Answer::Done { result: serde_json::to_value(request).unwrap() }
        }
    }

    fn access() -> Access {
        Access { mode: 0o660, group: None }
    }

    #[tokio::test]
    async fn garbage_and_oversize_lines_are_refused_and_the_good_one_behind_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = listen(&path, &access()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Arc::new(Echo), stop.clone()));

        let stream = UnixStream::connect(&path).await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut text = b"garbage\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', REQUEST_MAX + 1));
        text.extend(b"\n\xff\n{\"ask\":\"status\"}\n");
        write.write_all(&text).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        let mut codes = Vec::new();
        for _ in 0..4 {
            let line = lines.next_line().await.unwrap().unwrap();
            let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
            let code = answer.get("code").or(answer.pointer("/result/ask")).unwrap();
            codes.push(code.as_str().unwrap().to_owned());
        }
        assert_eq!(codes, ["malformed", "too_long", "malformed", "status"]);
        stop.cancel();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_and_a_file_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(listen(&path, &access()).unwrap());
        let listener = listen(&path, &access()).unwrap();
        assert!(matches!(listen(&path, &access()), Err(SocketError::InUse { .. })));
        drop(listener);
        let file = folder.path().join("a-file");
        std::fs::write(&file, "precious").unwrap();
        assert!(matches!(listen(&file, &access()), Err(SocketError::NoSocket { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(listen(&long, &access()), Err(SocketError::TooLong { .. })));
    }
}

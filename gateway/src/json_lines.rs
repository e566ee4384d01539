//! One JSON object a line over a byte stream, with a limit: what the local sockets speak.
//!
//! A line that is too long or no UTF-8 is reported once and skipped to its end, so that the good
//! line behind it still arrives. The end of the stream in the middle of a line drops that line: it
//! was never complete.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// One line, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A complete line without its end.
    Text(String),
    /// Longer than the limit; its octets were thrown away.
    TooLong,
    /// Not UTF-8.
    NotText,
    /// The stream ended; `partial` octets of an unfinished line were dropped.
    End {
        /// Octets of the unfinished line.
        partial: usize,
    },
}

/// Reads lines of at most `limit` octets.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    buffer: Vec<u8>,
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `reader`, at most `limit` octets each without their end.
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::new(reader), limit, buffer: Vec::new(), skipping: false }
    }

    /// Whether a further complete line is already here, so that [`Lines::next`] would not wait.
    pub fn ready(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line.
    ///
    /// # Cancellation
    /// Safe: an unfinished line stays in the buffer.
    ///
    /// # Errors
    /// What the stream answered.
    pub async fn next(&mut self) -> std::io::Result<Line> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let partial = self.buffer.len();
                self.buffer.clear();
                return Ok(Line::End { partial });
            }
            let (part, complete) = match available.iter().position(|&octet| octet == b'\n') {
                Some(end) => (available.get(..end).unwrap_or_default(), true),
                None => (available, false),
            };
            let taken = part.len() + usize::from(complete);
            if !self.skipping {
                if self.buffer.len() + part.len() > self.limit {
                    self.skipping = true;
                    self.buffer.clear();
                } else {
                    self.buffer.extend_from_slice(part);
                }
            }
            self.reader.consume(taken);
            if complete {
                if std::mem::take(&mut self.skipping) {
                    return Ok(Line::TooLong);
                }
                let mut line = std::mem::take(&mut self.buffer);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(String::from_utf8(line).map_or(Line::NotText, Line::Text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    async fn all(octets: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(octets, limit);
        let mut found = Vec::new();
        loop {
            let line = lines.next().await.unwrap();
            let end = matches!(line, Line::End { .. });
            found.push(line);
            if end {
                return found;
            }
        }
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[tokio::test]
    async fn lines_come_one_by_one_with_either_line_end() {
        assert_eq!(
            all(b"{}\r\n\n{\"a\":1}\n", 100).await,
            [text("{}"), text(""), text("{\"a\":1}"), Line::End { partial: 0 }]
        );
    }

    #[tokio::test]
    async fn the_good_line_behind_an_oversize_one_still_arrives() {
        assert_eq!(
            all(b"0123456789\nok\n", 4).await,
            [Line::TooLong, text("ok"), Line::End { partial: 0 }]
        );
    }

    #[tokio::test]
    async fn garbage_is_named_and_an_unfinished_line_is_dropped() {
        assert_eq!(
            all(b"\xff\xfe\nok\nhal", 100).await,
            [Line::NotText, text("ok"), Line::End { partial: 3 }]
        );
    }
}

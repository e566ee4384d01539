//! CRC-32 over the columns of a row in one canonical form: every column is preceded by its type,
//! and text and blobs by their length, so that no two rows share an encoding.

/// Collects columns in order.
#[derive(Default)]
pub(super) struct Sum(crc32fast::Hasher);

impl Sum {
    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.0.update(&[1]);
        self.0.update(&value.to_le_bytes());
        self
    }

    pub(super) fn optional(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => {
                self.0.update(&[0]);
                self
            }
        }
    }

    pub(super) fn blob(&mut self, value: &[u8]) -> &mut Self {
        self.0.update(&[2]);
        self.0.update(&(value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    pub(super) fn text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.blob(value.as_bytes()),
            None => {
                self.0.update(&[0]);
                self
            }
        }
    }

    pub(super) fn finish(&self) -> u32 {
        self.0.clone().finalize()
    }
}

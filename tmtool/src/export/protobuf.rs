//! Protocol buffers, as bytes: the few kinds of fields that exports need.

/// The number of a field in its message.
pub type Field = u32;

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Message {
        Message::default()
    }

    /// Takes all fields out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The message's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, field: Field, value: u64) -> Message {
        self.put_number(field, value);
        self
    }

    /// Adds a string or bytes.
    #[must_use]
    pub fn text(mut self, field: Field, value: &[u8]) -> Message {
        self.put_bytes(field, value);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, field: Field, value: &Message) -> Message {
        self.text(field, &value.0)
    }

    /// Adds what stands before a string, bytes or a message of `n_bytes`.
    #[must_use]
    pub fn start(mut self, field: Field, n_bytes: usize) -> Message {
        self.put_start(field, n_bytes);
        self
    }

    /// Adds a number.
    pub fn put_number(&mut self, field: Field, value: u64) {
        put_number(&mut self.0, field, value);
    }

    /// Adds a string, bytes or a message.
    pub fn put_bytes(&mut self, field: Field, value: &[u8]) {
        self.put_start(field, value.len());
        self.0.extend_from_slice(value);
    }

    /// The same of bytes that come one by one.
    pub fn put_all(&mut self, field: Field, value: impl ExactSizeIterator<Item = u8>) {
        self.put_start(field, value.len());
        self.0.extend(value);
    }

    /// Adds fields that are bytes already.
    pub fn put_fields(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    fn put_start(&mut self, field: Field, n_bytes: usize) {
        self.put_varint(u64::from(field << 3 | LENGTH_DELIMITED));
        self.put_varint(n_bytes as u64);
    }

    fn put_varint(&mut self, value: u64) {
        put_varint(&mut self.0, value);
    }
}

/// Appends a number as it stands in a message.
#[inline]
pub fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a field that is a number.
#[inline]
pub fn put_number(bytes: &mut Vec<u8>, field: Field, value: u64) {
    put_varint(bytes, u64::from(field << 3 | VARINT));
    put_varint(bytes, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_the_specification_has_them() {
        // The examples of the encoding's documentation.
        assert_eq!(Message::new().number(1, 150).bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, b"testing").bytes(), b"\x12\x07testing");
        let nested = Message::new().message(3, &Message::new().number(1, 150));
        assert_eq!(nested.bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().number(58, u64::MAX).bytes().len(), 2 + 10);
    }
}

//! The connection to a broker; the only file that names rumqttc.
//!
//! Only its packet codec is used. Its `MqttState` keeps a second table of packet ids behind our back:
//! the machine must know which row an id stands for before the packet leaves, a refusal (reason code
//! 0x80 or more) leaves a colliding publish stuck in it, it reads the clock, and it copies every
//! packet into a list of events. The codec has holes of its own, closed here: a DISCONNECT without
//! properties is read as "not yet complete" after its octets are gone, and unknown reason codes end in
//! an error that hides the packet; so frames are cut here, and a frame that cannot be read is a fault.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, Disconnect, DisconnectReasonCode, Filter, LastWill, Login, Packet,
    PingReq, PubAck, PubAckReason, Publish, PublishProperties, Subscribe, SubscribeReasonCode,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::uplink::machine::{Outbound, ServerLimits};
use crate::uplink::reason::{self, Fault};
use crate::uplink::transport::{self, Endpoint};

/// Octets of an incoming packet at most: far above [`crate::uplink::source::INCOMING_MAX`], so that an
/// oversize command is seen and answered, but bounded.
pub const PACKET_MAX: u32 = 1024 * 1024;
/// Messages we take before acknowledging: each may wait for a commit.
pub const RECEIVE_MAX: u16 = 32;
/// How long the broker keeps our session, s: commands wait that long for an absent gateway.
pub const SESSION_EXPIRY_S: u32 = 7 * 86_400;
/// Octets read at once.
const READ_SIZE: usize = 64 * 1024;
/// Octets waiting to be written beyond which nothing more is read: a broker that sends without reading
/// slows itself down.
const WRITE_MAX: usize = 4 * 1024 * 1024;

/// Who connects, and what the broker says should we vanish.
#[derive(Clone)]
pub struct Hello {
    /// Client id.
    pub client_id: String,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// Keep alive, s.
    pub keep_alive_s: u16,
    /// Retained will: topic and octets.
    pub will: Option<(String, Vec<u8>)>,
    /// Forget an earlier session.
    pub clean_start: bool,
}

impl std::fmt::Debug for Hello {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What came from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message; `pkid` is 0 for QoS 0.
    Publish {
        /// Topic.
        topic: String,
        /// Octets.
        payload: Bytes,
        /// Packet id.
        pkid: u16,
    },
    /// A message was taken or refused.
    PubAck {
        /// Packet id.
        pkid: u16,
        /// Reason code.
        code: u8,
        /// What the broker said about it.
        said: Option<String>,
    },
    /// Subscriptions were answered.
    SubAck {
        /// Packet id.
        pkid: u16,
        /// Reason codes.
        codes: Vec<u8>,
    },
    /// The answer to a ping.
    Pong,
}

/// Either kind of transport.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open MQTT connection.
pub struct Link {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    inbound: BytesMut,
    outbound: BytesMut,
    unflushed: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("waiting", &self.outbound.len()).finish_non_exhaustive()
    }
}

/// Connects, says hello and waits for the answer. The caller limits the time.
///
/// # Errors
/// What went wrong, as a sentence with its remedy.
///
/// # Cancellation
/// Dropping it drops the connection.
pub async fn connect(
    endpoint: &Endpoint,
    hello: &Hello,
) -> Result<(Link, bool, ServerLimits), Fault> {
    let stream = transport::open(endpoint).await?;
    let (reader, writer) = tokio::io::split(stream);
    let mut link = Link {
        reader,
        writer,
        inbound: BytesMut::with_capacity(READ_SIZE),
        outbound: BytesMut::with_capacity(READ_SIZE),
        unflushed: false,
    };
    link.put(&hello_packet(hello))?;
    let frame = link.frame().await.map_err(|fault| explain_hello(fault, endpoint))?;
    let packet = decode(frame).map_err(|fault| explain_hello(fault, endpoint))?;
    let Decoded::Connected { session_present, limits } = packet else {
        return Err(explain_hello(malformed(), endpoint));
    };
    Ok((link, session_present, limits))
}

/// An end or nonsense instead of a CONNACK is most often one side speaking TLS and the other not. An end
/// may also be a broker that was stopped at this moment, so it is tried again; nonsense will stay.
fn explain_hello(fault: Fault, endpoint: &Endpoint) -> Fault {
    if !matches!(fault.word, "closed" | "malformed" | "network") || endpoint.tls.is_some() {
        return fault;
    }
    let made = if fault.word == "malformed" { Fault::lasting } else { Fault::passing };
    made(
        "not_mqtt",
        format!("{endpoint} closed the connection or answered with something that is not MQTT."),
        "If this port expects TLS, add `[uplink.tls]` (usually port 8883); else check the port.",
    )
}

fn hello_packet(hello: &Hello) -> Packet {
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
    properties.receive_maximum = Some(RECEIVE_MAX);
    properties.max_packet_size = Some(PACKET_MAX);
    let connect = Connect {
        keep_alive: hello.keep_alive_s,
        client_id: hello.client_id.clone(),
        clean_start: hello.clean_start,
        properties: Some(properties),
    };
    let will = hello
        .will
        .clone()
        .map(|(topic, octets)| LastWill::new(topic, octets, QoS::AtLeastOnce, true, None));
    let login = hello.login.clone().map(|(name, password)| Login::new(name, password));
    Packet::Connect(connect, will, login)
}

fn malformed() -> Fault {
    Fault::passing(
        "malformed",
        "The broker sent something that is not MQTT 5.",
        "Check host and port, and that the broker speaks MQTT 5.",
    )
}

fn closed() -> Fault {
    Fault::passing(
        "closed",
        "The broker closed the connection without a reason.",
        "Look into the broker's log if it happens again.",
    )
}

fn network(error: &std::io::Error) -> Fault {
    Fault::passing(
        "network",
        format!("The connection broke: {error}."),
        "Check the network between gateway and broker.",
    )
}

impl Link {
    fn put(&mut self, packet: &Packet) -> Result<(), Fault> {
        packet.write(&mut self.outbound, None).map(|_| ()).map_err(|error| {
            Fault::passing(
                "encoding",
                format!("A packet could not be written: {error}."),
                "Report this; it is a bug.",
            )
        })
    }

    /// Queues a QoS 1 message.
    ///
    /// # Errors
    /// If the codec refuses it.
    pub fn publish(&mut self, message: &Outbound) -> Result<(), Fault> {
        self.put(&publish_packet(message))
    }

    /// Queues a subscription.
    ///
    /// # Errors
    /// If the codec refuses it.
    pub fn subscribe(&mut self, pkid: u16, filters: &[(String, u8)]) -> Result<(), Fault> {
        let filters = filters.iter().map(|(path, qos)| {
            Filter::new(path.clone(), if *qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce })
        });
        let mut subscribe = Subscribe::new_many(filters, None);
        subscribe.pkid = pkid;
        self.put(&Packet::Subscribe(subscribe))
    }

    /// Queues an acknowledgement.
    ///
    /// # Errors
    /// If the codec refuses it.
    pub fn acknowledge(&mut self, pkid: u16) -> Result<(), Fault> {
        self.put(&Packet::PubAck(PubAck::new(pkid, None)))
    }

    /// Queues a ping.
    ///
    /// # Errors
    /// If the codec refuses it.
    pub fn ping(&mut self) -> Result<(), Fault> {
        self.put(&Packet::PingReq(PingReq))
    }

    /// Says goodbye, so that the broker does not publish the will, and closes; all within `limit`.
    pub async fn goodbye(mut self, limit: Duration) {
        if self
            .put(&Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection)))
            .is_err()
        {
            return;
        }
        let say = async {
            let _ = self.writer.write_all_buf(&mut self.outbound).await;
            let _ = self.writer.flush().await;
            let _ = self.writer.shutdown().await;
        };
        // A broker that does not listen any more publishes the will instead: nothing is lost by that.
        let _ = tokio::time::timeout(limit, say).await;
    }

    /// Takes the next packet that is already here, without waiting.
    ///
    /// # Errors
    /// If the broker ended the connection or sent something unreadable.
    pub fn take(&mut self) -> Result<Option<Received>, Fault> {
        match cut(&mut self.inbound)? {
            Some(frame) => received(frame),
            None => Ok(None),
        }
    }

    /// Writes what is queued and waits for the next packet.
    ///
    /// # Errors
    /// If the connection ended, with the reason.
    ///
    /// # Cancellation
    /// Safe: nothing read or queued is lost.
    pub async fn next(&mut self) -> Result<Received, Fault> {
        loop {
            let frame = self.frame().await?;
            if let Some(received) = received(frame)? {
                return Ok(received);
            }
        }
    }

    async fn frame(&mut self) -> Result<BytesMut, Fault> {
        loop {
            if let Some(frame) = cut(&mut self.inbound)? {
                return Ok(frame);
            }
            let writing = self.outbound.has_remaining() || self.unflushed;
            let reading = self.outbound.len() < WRITE_MAX;
            let Self { reader, writer, inbound, outbound, unflushed } = self;
            tokio::select! {
                wrote = push(writer, outbound, unflushed), if writing => wrote?,
                read = async { inbound.reserve(READ_SIZE); reader.read_buf(inbound).await },
                    if reading =>
                {
                    match read {
                        Ok(0) => return Err(closed()),
                        Ok(_) => {}
                        Err(error) => return Err(transport::explain_read(&error)),
                    }
                }
            }
        }
    }
}

/// Writes some of what waits, or flushes once all is written (TLS keeps octets back until then).
async fn push(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    outbound: &mut BytesMut,
    unflushed: &mut bool,
) -> Result<(), Fault> {
    if outbound.has_remaining() {
        if writer.write_buf(outbound).await.map_err(|e| network(&e))? == 0 {
            return Err(closed());
        }
        *unflushed = true;
    } else {
        writer.flush().await.map_err(|e| network(&e))?;
        *unflushed = false;
    }
    Ok(())
}

fn publish_packet(message: &Outbound) -> Packet {
    let properties = message.expiry_s.map(|seconds| PublishProperties {
        message_expiry_interval: Some(seconds),
        ..PublishProperties::default()
    });
    let mut publish =
        Publish::new(message.topic.as_str(), QoS::AtLeastOnce, message.payload.clone(), properties);
    publish.pkid = message.pkid;
    publish.retain = message.retain;
    publish.dup = message.dup;
    Packet::Publish(publish)
}

/// Cuts one whole packet off the front: fixed header (one octet, then the length in up to four) and rest.
fn cut(inbound: &mut BytesMut) -> Result<Option<BytesMut>, Fault> {
    let mut length = 0_usize;
    for at in 0..4 {
        let Some(octet) = inbound.get(1 + at) else { return Ok(None) };
        length |= usize::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            let whole = 2 + at + length;
            if whole > PACKET_MAX as usize {
                return Err(malformed());
            }
            if inbound.len() < whole {
                return Ok(None);
            }
            return Ok(Some(inbound.split_to(whole)));
        }
    }
    Err(malformed())
}

enum Decoded {
    Connected { session_present: bool, limits: ServerLimits },
    Received(Received),
    Nothing,
}

fn received(frame: BytesMut) -> Result<Option<Received>, Fault> {
    match decode(frame)? {
        Decoded::Received(received) => Ok(Some(received)),
        Decoded::Nothing => Ok(None),
        Decoded::Connected { .. } => Err(malformed()),
    }
}

fn decode(mut frame: BytesMut) -> Result<Decoded, Fault> {
    let kind = frame.first().map_or(0, |octet| octet >> 4);
    let body_at = 1 + frame.iter().skip(1).take_while(|o| **o & 0x80 != 0).count() + 1;
    let body = frame.get(body_at..).unwrap_or_default();
    match (kind, body) {
        // CONNACK: the code first, because the codec refuses codes it does not know.
        (2, [_, code, ..]) if *code >= 0x80 => {
            let code = *code;
            let said = match Packet::read(&mut frame, None) {
                Ok(Packet::ConnAck(ack)) => ack.properties.and_then(|p| p.reason_string),
                _ => None,
            };
            return Err(reason::connect(code).saying(said.as_deref()));
        }
        // DISCONNECT: empty means "normal", one octet is a code without properties.
        (14, []) => return Err(reason::disconnect(0)),
        (14, [code, ..]) => {
            let code = *code;
            let said = match Packet::read(&mut frame, None) {
                Ok(Packet::Disconnect(d)) => d.properties.and_then(|p| p.reason_string),
                _ => None,
            };
            return Err(reason::disconnect(code).saying(said.as_deref()));
        }
        // PUBACK with a code: the same.
        (4, [high, low, code, ..]) => {
            let (pkid, code) = (u16::from_be_bytes([*high, *low]), *code);
            let said = match Packet::read(&mut frame, None) {
                Ok(Packet::PubAck(PubAck { properties: Some(p), .. })) => p.reason_string,
                _ => None,
            };
            return Ok(Decoded::Received(Received::PubAck { pkid, code, said }));
        }
        _ => {}
    }
    let packet = Packet::read(&mut frame, None).map_err(|_| malformed())?;
    Ok(match packet {
        Packet::ConnAck(ack) => {
            let mut limits = ServerLimits::default();
            if let Some(p) = ack.properties {
                limits.receive_maximum = p.receive_max.unwrap_or(u16::MAX);
                limits.maximum_packet_size = p.max_packet_size;
                limits.maximum_qos = p.max_qos.unwrap_or(2);
                limits.retain_available = p.retain_available != Some(0);
                limits.keep_alive_s = p.server_keep_alive;
            }
            Decoded::Connected { session_present: ack.session_present, limits }
        }
        Packet::Publish(publish) => {
            if publish.qos == QoS::ExactlyOnce {
                return Err(malformed());
            }
            let topic = String::from_utf8(publish.topic.to_vec()).map_err(|_| malformed())?;
            let payload = publish.payload;
            Decoded::Received(Received::Publish { topic, payload, pkid: publish.pkid })
        }
        Packet::PubAck(ack) => {
            let code = if ack.reason == PubAckReason::Success { 0 } else { 0x80 };
            Decoded::Received(Received::PubAck { pkid: ack.pkid, code, said: None })
        }
        Packet::SubAck(ack) => Decoded::Received(Received::SubAck {
            pkid: ack.pkid,
            codes: ack.return_codes.iter().map(|code| subscribe_code(*code)).collect(),
        }),
        Packet::PingResp(_) => Decoded::Received(Received::Pong),
        Packet::UnsubAck(_) => Decoded::Nothing,
        _ => return Err(malformed()),
    })
}

fn subscribe_code(code: SubscribeReasonCode) -> u8 {
    match code {
        SubscribeReasonCode::Success(qos) => qos as u8,
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => 0x80,
        SubscribeReasonCode::ImplementationSpecific => 0x83,
        SubscribeReasonCode::NotAuthorized => 0x87,
        SubscribeReasonCode::TopicFilterInvalid => 0x8F,
        SubscribeReasonCode::PkidInUse => 0x91,
        SubscribeReasonCode::QuotaExceeded => 0x97,
        SubscribeReasonCode::SharedSubscriptionsNotSupported => 0x9E,
        SubscribeReasonCode::SubscriptionIdNotSupported => 0xA1,
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => 0xA2,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::uplink::render::publish_size;

    #[track_caller]
    fn check(octets: &[u8], word: &str) {
        let mut inbound = BytesMut::from(octets);
        let frame = cut(&mut inbound).unwrap().expect("a whole frame");
        match received(frame) {
            Err(fault) => assert_eq!(fault.word, word),
            Ok(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_of_a_goodbye_is_understood() {
        check(&[0xE0, 0], "normal");
        check(&[0xE0, 1, 0x8E], "taken_over");
        check(&[0xE0, 2, 0x8B, 0], "shutting_down");
        check(&[0xE0, 1, 0xF7], "unknown_code");
        check(&[0x20, 3, 0, 0x86, 0], "credentials");
        check(&[0x20, 3, 0, 0xEE, 0], "unknown_code");
    }

    #[test]
    fn a_refusal_with_an_unknown_code_is_still_a_refusal() {
        let frame = BytesMut::from(&[0x40, 3, 0, 9, 0xC5][..]);
        let ack = Received::PubAck { pkid: 9, code: 0xC5, said: None };
        assert_eq!(received(frame).unwrap(), Some(ack));
        let frame = BytesMut::from(&[0x40, 2, 0, 9][..]);
        let ack = Received::PubAck { pkid: 9, code: 0, said: None };
        assert_eq!(received(frame).unwrap(), Some(ack));
    }

    #[test]
    fn the_size_we_reckon_with_is_the_size_we_send() {
        for payload in [0, 1, 100, 130, 16_370, 16_400, 300_000] {
            for expiry_s in [None, Some(5)] {
                let message = Outbound {
                    pkid: 3,
                    topic: "hearth/v1/g/alerts".into(),
                    payload: vec![b'x'; payload],
                    retain: false,
                    dup: false,
                    expiry_s,
                };
                let mut octets = BytesMut::new();
                publish_packet(&message).write(&mut octets, None).unwrap();
                let size = publish_size(message.topic.len(), payload, expiry_s.is_some());
                assert_eq!(octets.len(), size);
            }
        }
    }

    #[test]
    fn octets_of_any_kind_end_in_a_packet_or_a_fault() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut octets = BytesMut::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                octets.extend_from_slice(&[(seed >> 56) as u8]);
            }
            if let Some(second) = octets.get_mut(1) {
                *second %= 39;
            }
            while let Ok(Some(frame)) = cut(&mut octets) {
                let _ = decode(frame);
            }
        }
    }
}

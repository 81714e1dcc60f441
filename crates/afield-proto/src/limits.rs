//! Protocol limits: the ones both sides must agree on. Configurable limits live in the configuration.

use std::time::Duration;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "afield.v1";
/// The protocol versions this build speaks, lowest and highest: its own and the two before it.
/// 1 is the base, 2 has words into a running turn, 3 agrees on features.
pub const PROTOCOL_VERSIONS: (u32, u32) = (1, 3);
/// Largest frame from a client, in bytes. Prompts are text; larger things are attachments, or
/// files on the runner.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Largest frame from a runner, in bytes: one batch of records, or one trimmed line.
pub const RUNNER_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most files that go with one prompt: what a person picks from a phone's photos at once.
pub const ATTACHMENTS_MAX: usize = 10;
/// Largest file that goes with a prompt, in bytes: a photo as phones make them.
pub const ATTACHMENT_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Most bytes of the files of one prompt. Claude reads lines of 32 MiB, and a third is added on the
/// way to it.
pub const ATTACHMENTS_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// Largest part of a file a runner is given in one frame, in bytes.
pub const BLOB_PART_BYTES: usize = 512 * 1024;
/// Deepest nesting of JSON in a request. Requests of people are flat; tool inputs reach about 20.
pub const JSON_DEPTH_MAX: usize = 32;
/// Longest correlation id a client may choose, in bytes. It is echoed in every reply.
pub const CORRELATION_BYTES_MAX: usize = 128;
/// Longest project path, in bytes (Linux `PATH_MAX`).
pub const PATH_BYTES_MAX: usize = 4096;
/// Longest name of a device, project or session, in bytes. Names are shown in one line.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest label of a device or name of a tool, in bytes: a word.
pub const LABEL_BYTES_MAX: usize = 64;
/// Most labels of a device, and most tools it names.
pub const LABELS_MAX: usize = 64;
/// Most messages in one page of history.
pub const PAGE_MESSAGES_MAX: u32 = 1000;
/// Messages in a page of history when the client names no limit.
pub const PAGE_MESSAGES_DEFAULT: u32 = 100;
/// Longest line of an agent's output that is read, in bytes; a longer one is cut and flagged.
/// An image read by an agent arrives as one line of up to about 20 MiB.
pub const AGENT_LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest raw message stored in the log, in bytes. A longer line is trimmed, and the whole kept
/// on the runner.
pub const STORED_MESSAGE_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Longest body of a message from device to device, in bytes of JSON: an instruction, not a file.
pub const DEVICE_MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// How long such a message waits for its receiver, when its sender says nothing.
pub const HELD_FOR_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest time it may wait.
pub const HELD_FOR_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often the server pings an idle connection.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a connection may stay without a sign of life.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

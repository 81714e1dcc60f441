// Generated from afield-proto by `cargo xtask generate`. Do not edit.

export type OrgId = string;
export type UserId = string;
export type DeviceId = string;
export type ProjectId = string;
export type SessionId = string;
export type CommandId = string;
export type ApprovalId = string;
export type ReplicaId = string;
export type MessageId = string;
export type PairingId = string;
export type RequestId = string;
export type Timestamp = string;
export type ErrorCode = "VALIDATION_FAILED" | "MESSAGE_TOO_LARGE" | "REQUEST_TIMEOUT" | "UNAUTHORIZED" | "FORBIDDEN" | "RATE_LIMITED" | "RESOURCE_LIMIT" | "NOT_FOUND" | "CONFLICT" | "INVALID_PATH" | "PROJECT_NESTING" | "PROJECT_NOT_FOUND" | "PROCESS_ACTIVE" | "PROCESS_NOT_FOUND" | "EXECUTION_TIMEOUT" | "CLAUDE_NOT_FOUND" | "AGENT_UNAVAILABLE" | "SESSION_LOST" | "RUNNER_OFFLINE" | "DEVICE_OFFLINE" | "POLICY_REFUSED" | "SLOW_CONSUMER" | "PROTOCOL_MISMATCH" | "UNAVAILABLE" | "INTERNAL_ERROR";
export type ErrorBody = { 
/**
 * Stable, for programs.
 */
code: ErrorCode, 
/**
 * For people: what happened, which limit or rule, what to do next.
 */
message: string, 
/**
 * Facts a program may want, such as the name and value of the limit.
 */
details?: Record<string, unknown>, 
/**
 * Find this in the server's log.
 */
request_id?: RequestId, };
export type AgentKind = "claude" | "demo" | "command";
export type PermissionMode = "default" | "acceptEdits" | "auto" | "plan" | "dontAsk" | "bypassPermissions";
export type ExecuteOptions = { 
/**
 * Model name or alias.
 */
model?: string, 
/**
 * Model to use when the first is overloaded.
 */
fallback_model?: string, 
/**
 * When the agent asks.
 */
permission_mode?: PermissionMode, 
/**
 * Tools that need no question, such as `Bash(git *)`.
 */
allowed_tools?: Array<string>, 
/**
 * Tools that are refused.
 */
disallowed_tools?: Array<string>, 
/**
 * Text added to the system prompt.
 */
append_system_prompt?: string, 
/**
 * MCP servers, as JSON or as the path of a file inside the project.
 */
mcp_config?: unknown, 
/**
 * Use only the MCP servers of `mcp_config`.
 */
strict_mcp_config?: boolean, 
/**
 * Further directories the agent may use (inside the runner's allowed roots).
 */
add_dirs?: Array<string>, 
/**
 * Never ask. Only where the runner's policy allows it.
 */
dangerously_skip_permissions?: boolean, 
/**
 * Program and arguments, for the agent `command`. Without it the prompt is a shell line.
 */
argv?: Array<string>, 
/**
 * Give up after this many seconds (at most the runner's own limit).
 */
timeout_seconds?: number, };
export type Direction = "client" | "claude";
export type MessageKind = "prompt" | "text" | "thinking" | "tool_use" | "tool_result" | "partial" | "progress" | "result" | "init" | "system" | "stdout" | "stderr" | "unknown" | "warning";
export type MessageFlags = { 
/**
 * The line was no valid UTF-8; the bad bytes were replaced.
 */
lossy?: boolean, 
/**
 * The line was too long to keep whole here.
 */
truncated?: boolean, 
/**
 * Length of the whole line in bytes, when it was cut.
 */
original_bytes?: number, };
export type ToolRef = { 
/**
 * Pairs a use with its result.
 */
id: string, 
/**
 * The tool's name; absent on results of agents that do not repeat it.
 */
name?: string, 
/**
 * Whether the tool failed; on results only.
 */
failed?: boolean, };
export type SessionState = "active" | "ended" | "lost";
export type SessionFacts = { 
/**
 * The model, in the agent's own word.
 */
model?: string, 
/**
 * When it asks, as it said at the start of the last turn.
 */
permission_mode?: PermissionMode, 
/**
 * Turns that ended.
 */
turns: number, 
/**
 * What they used, all together.
 */
usage: TokenUsage, 
/**
 * How full its memory was at the end of the last turn.
 */
context?: ContextUse, };
export type TokenUsage = { 
/**
 * Tokens read anew.
 */
input_tokens: number, 
/**
 * Tokens written.
 */
output_tokens: number, 
/**
 * Tokens read from the cache.
 */
cache_read_tokens: number, 
/**
 * Tokens written to the cache.
 */
cache_write_tokens: number, 
/**
 * Cost in US dollars, where the agent tells it.
 */
cost_usd?: number, };
export type ContextUse = { 
/**
 * Tokens of the conversation, as the model last read it.
 */
used_tokens: number, 
/**
 * As many as the model takes, where it is known.
 */
window_tokens?: number, };
export type McpServer = { 
/**
 * Its name.
 */
name: string, 
/**
 * How it does, in the agent's own word.
 */
status: string, };
export type AgentSetup = { 
/**
 * The model, in the agent's own word.
 */
model?: string, 
/**
 * When it asks.
 */
permission_mode?: PermissionMode, 
/**
 * Its commands, without the slash in front.
 */
slash_commands: Array<string>, 
/**
 * Its tools.
 */
tools: Array<string>, 
/**
 * The MCP servers it knows.
 */
mcp_servers: Array<McpServer>, };
export type TurnUsage = { 
/**
 * What it read and wrote.
 */
usage: TokenUsage, 
/**
 * How full the agent's memory is afterwards.
 */
context?: ContextUse, };
export type SessionNews = { "began": AgentSetup } | { "ended": TurnUsage };
export type Session = { 
/**
 * Its id.
 */
id: SessionId, 
/**
 * The project it is in.
 */
project_id: ProjectId, 
/**
 * Whether it goes on.
 */
state: SessionState, 
/**
 * The beginning of its first prompt.
 */
title?: string, 
/**
 * The agent that works in it.
 */
agent?: AgentKind, 
/**
 * When it was made.
 */
created_at: Timestamp, 
/**
 * When a prompt was last started in it.
 */
last_used_at?: Timestamp, 
/**
 * What its agent announced last. Left out of lists.
 */
setup?: AgentSetup, 
/**
 * The model, in the agent's own word.
 */
model?: string, 
/**
 * When it asks, as it said at the start of the last turn.
 */
permission_mode?: PermissionMode, 
/**
 * Turns that ended.
 */
turns: number, 
/**
 * What they used, all together.
 */
usage: TokenUsage, 
/**
 * How full its memory was at the end of the last turn.
 */
context?: ContextUse, };
export type AgentMessage = { 
/**
 * When the runner read it.
 */
timestamp: Timestamp, 
/**
 * Who speaks.
 */
direction: Direction, 
/**
 * What it is.
 */
kind: MessageKind, 
/**
 * The command it belongs to.
 */
command_id?: CommandId, 
/**
 * The session it belongs to.
 */
session_id?: SessionId, 
/**
 * The words in it, where there are any: what a plain client shows and what a search finds.
 */
text?: string, 
/**
 * The tool used or answered, where there is one.
 */
tool?: ToolRef, 
/**
 * The tool use (of a sub-agent) this message belongs to.
 */
parent?: string, 
/**
 * What it tells about its session.
 */
news?: SessionNews, 
/**
 * What is odd about it.
 */
flags?: MessageFlags, 
/**
 * The agent's own frame.
 */
message: unknown, };
export type ApprovalKind = "tool" | "question" | "plan";
export type ApprovalState = "open" | "allowed" | "denied" | "withdrawn";
export type DangerLevel = "harmless" | "normal" | "destructive";
export type Danger = { 
/**
 * In one word.
 */
level: DangerLevel, 
/**
 * Why, for people; empty unless it is destructive.
 */
reasons: Array<string>, };
export type RuleDestination = "session" | "local_settings";
export type PermissionRule = { 
/**
 * The tool's name.
 */
tool: string, 
/**
 * What of it, in the agent's words, such as `npm test *`; everything when absent.
 */
content?: string, 
/**
 * Where it is kept.
 */
destination: RuleDestination, };
export type ApprovalAsk = { 
/**
 * Chosen by the runner.
 */
approval_id: ApprovalId, 
/**
 * What is asked.
 */
kind: ApprovalKind, 
/**
 * The tool's name.
 */
tool: string, 
/**
 * The tool's input, exactly as it would run.
 */
input: unknown, 
/**
 * One line for people, in the agent's words.
 */
title?: string, 
/**
 * Why the agent's rules did not decide by themselves.
 */
reason?: string, 
/**
 * The agent offers a rule that would allow this for the rest of the session.
 */
session_rule: boolean, 
/**
 * The rules it suggests, for a person to change: each would allow this and what is like it.
 */
rules?: Array<PermissionRule>, 
/**
 * The directory it would happen in.
 */
directory: string, };
export type Approval = { 
/**
 * The project it is asked in.
 */
project_id: ProjectId, 
/**
 * The command it is asked for.
 */
command_id: CommandId, 
/**
 * How far it has come.
 */
state: ApprovalState, 
/**
 * How dangerous it is; absent in events of servers that did not judge it.
 */
danger?: Danger, 
/**
 * When it was asked.
 */
requested_at: Timestamp, 
/**
 * When it was answered or withdrawn.
 */
resolved_at?: Timestamp, 
/**
 * The device that answered.
 */
resolved_by?: DeviceId, 
/**
 * What was answered.
 */
answer?: Answer, 
/**
 * Chosen by the runner.
 */
approval_id: ApprovalId, 
/**
 * What is asked.
 */
kind: ApprovalKind, 
/**
 * The tool's name.
 */
tool: string, 
/**
 * The tool's input, exactly as it would run.
 */
input: unknown, 
/**
 * One line for people, in the agent's words.
 */
title?: string, 
/**
 * Why the agent's rules did not decide by themselves.
 */
reason?: string, 
/**
 * The agent offers a rule that would allow this for the rest of the session.
 */
session_rule: boolean, 
/**
 * The rules it suggests, for a person to change: each would allow this and what is like it.
 */
rules?: Array<PermissionRule>, 
/**
 * The directory it would happen in.
 */
directory: string, };
export type Behavior = "allow" | "deny";
export type Answer = { 
/**
 * Yes or no.
 */
behavior: Behavior, 
/**
 * With a yes: apply the rule the agent offered for the rest of the session.
 */
for_session?: boolean, 
/**
 * With a yes: these rules hold from now on, as the person wrote them.
 */
rules?: Array<PermissionRule>, 
/**
 * With a no: the reason, told to the agent.
 */
message?: string, 
/**
 * With a no: also end the turn.
 */
interrupt?: boolean, 
/**
 * To a question: the full text of each question and the label chosen (several joined by ", ").
 */
answers?: { [key in string]: string }, };
export type OneTap = { 
/**
 * The `token` of the notification.
 */
token: string, 
/**
 * Yes or no; when left out, this only asks what would be answered.
 */
behavior?: Behavior, 
/**
 * The person has meant it: needed for a yes to what is destructive.
 */
confirmed?: boolean, };
export type Attachment = { 
/**
 * SHA-256 of its bytes, in hexadecimal: the blob.
 */
hash: string, 
/**
 * How its sender calls it: a name without directories.
 */
name: string, 
/**
 * What its bytes are, as the upload was answered.
 */
media_type: string, 
/**
 * How many bytes it has.
 */
bytes: number, };
export type StoredBlob = { 
/**
 * SHA-256 of the bytes, in hexadecimal.
 */
hash: string, 
/**
 * What they are.
 */
media_type: string, 
/**
 * How many they are.
 */
bytes: number, };
export type Priority = "low" | "normal" | "high" | "critical";
export type SendMode = "queue" | "steer" | "interrupt";
export type Steer = "offered" | "taken" | "refused" | "missed" | "idle";
export type Failure = "infrastructure" | "timeout" | "failed" | "overloaded" | "rate_limited";
export type RetryPolicy = { 
/**
 * Attempts in all, 1 to 100.
 */
attempts: number, 
/**
 * The first wait, in milliseconds.
 */
wait_ms: number, 
/**
 * What each wait is multiplied by for the next.
 */
factor: number, 
/**
 * The longest wait, in milliseconds.
 */
wait_max_ms: number, 
/**
 * Which failures are tried again, each once.
 */
on: Array<Failure>, 
/**
 * With `failed`: only these exit codes, at most 64, each once; all when empty.
 */
exit_codes?: Array<number>, 
/**
 * Starting it twice does no harm: it is also tried again when it was interrupted, its outcome
 * unknown.
 */
safe?: boolean, 
/**
 * When the agent's usage limit is reached, wait until it ends.
 */
wait_for_limit?: boolean, };
export type RouteMode = "best" | "round_robin" | "sticky" | "order";
export type RouteWish = { 
/**
 * Any runner this is true of.
 */
selector: string, 
/**
 * Its project at this path.
 */
path?: string, 
/**
 * How one of several is chosen.
 */
mode: RouteMode, 
/**
 * With `order`: who is asked first.
 */
prefer?: Array<DeviceId>, };
export type Route = { 
/**
 * What was asked for.
 */
wish: RouteWish, 
/**
 * Whether it has a runner. Otherwise it waits for one that fits.
 */
placed: boolean, 
/**
 * Every decision, the first one first.
 */
decisions: Array<RouteDecision>, };
export type RouteCause = "submitted" | "fits" | "lost" | "asleep";
export type RouteDecision = { 
/**
 * When.
 */
at: Timestamp, 
/**
 * Why something was decided.
 */
cause: RouteCause, 
/**
 * Where to; absent when nobody fitted.
 */
runner_id?: DeviceId, 
/**
 * Its project.
 */
project_id?: ProjectId, 
/**
 * Why there, for people.
 */
reason: string, 
/**
 * Places that were looked at.
 */
considered: number, 
/**
 * Places that fitted.
 */
fitted: number, 
/**
 * Those that matter most: the chosen one, others that fitted, some that did not.
 */
candidates: Array<RouteCandidate>, };
export type RouteCandidate = { 
/**
 * The runner.
 */
runner_id: DeviceId, 
/**
 * Its name then.
 */
runner: string, 
/**
 * The project; absent when it has none.
 */
project_id?: ProjectId, 
/**
 * What became of it.
 */
verdict: RouteVerdict, 
/**
 * Why, for people.
 */
reason: string, };
export type RouteVerdict = "chosen" | "fits" | "rejected";
export type Target = { 
/**
 * A project.
 */
project_id?: ProjectId, 
/**
 * A runner: its project at `path`, or the only one it has.
 */
runner_id?: DeviceId, 
/**
 * Any runner this is true of, such as `agents has "claude" and os = "linux"`. While nobody fits,
 * the command waits.
 */
selector?: string, 
/**
 * With a runner or a selector: the path of the project.
 */
path?: string, 
/**
 * With a selector: how one of several runners is chosen; `best` when not given.
 */
mode?: RouteMode, 
/**
 * With the mode `order`: the runners in the order they are asked; by their priority when empty.
 */
prefer?: Array<DeviceId>, };
export type Payload = { 
/**
 * What to do: the prompt, or the shell line.
 */
prompt?: string, 
/**
 * How.
 */
options?: ExecuteOptions, 
/**
 * Another agent than the project's.
 */
agent?: AgentKind, 
/**
 * Another session than the one the project is in when the command starts.
 */
session_id?: SessionId, 
/**
 * Files that go with the prompt; their bytes were uploaded before.
 */
attachments?: Array<Attachment>, };
export type Place = "first" | "last" | { "before": CommandId } | { "after": CommandId };
export type Resolution = "succeeded" | "failed" | "requeue";
export type WaitReason = "time" | "hold" | "order" | "slot" | "runner" | "limit" | "approval" | "start";
export type Waiting = { 
/**
 * In one word.
 */
reason: WaitReason, 
/**
 * For people.
 */
message: string, 
/**
 * Until when, where that is known.
 */
until?: Timestamp, 
/**
 * Behind which command.
 */
command_id?: CommandId, 
/**
 * For which runner.
 */
runner_id?: DeviceId, 
/**
 * When that runner gave its last sign of life.
 */
last_seen_at?: Timestamp, };
export type AttemptView = { 
/**
 * Counted from 1.
 */
attempt: number, 
/**
 * The runner that had it.
 */
runner_id: DeviceId, 
/**
 * When it was given to that runner.
 */
leased_at?: Timestamp, 
/**
 * When the runner started it.
 */
started_at?: Timestamp, 
/**
 * When it ended.
 */
finished_at?: Timestamp, 
/**
 * How it ended.
 */
outcome?: Outcome, };
export type Cause = { 
/**
 * The command.
 */
command: Command, 
/**
 * Why it does not go on; absent when it is being worked on.
 */
waiting?: Waiting, };
export type ChainStep = "submitted" | "accepted" | "moved" | "leased" | "consumed" | "finished";
export type ChainLink = { 
/**
 * Which step.
 */
step: ChainStep, 
/**
 * When.
 */
at: Timestamp, 
/**
 * The device that did it; absent when the server did by itself, as its clock told it.
 */
by?: DeviceId, };
export type CommandDetail = { 
/**
 * What it carries.
 */
payload: Payload, 
/**
 * When it is tried again.
 */
retry: RetryPolicy, 
/**
 * Every attempt, the first one first.
 */
attempts: Array<AttemptView>, 
/**
 * How far it came, of its latest attempt.
 */
chain: Array<ChainLink>, 
/**
 * Why it does not go on, while it could.
 */
waiting?: Waiting, 
/**
 * How it came to its runner, when it was sent to whichever fits.
 */
route?: Route, 
/**
 * Its id.
 */
id: CommandId, 
/**
 * The project it belongs to.
 */
project_id: ProjectId, 
/**
 * The runner that hosts the project.
 */
runner_id: DeviceId, 
/**
 * The session it continues.
 */
session_id?: SessionId, 
/**
 * What it asks for.
 */
kind: CommandKind, 
/**
 * The agent that works on it.
 */
agent: AgentKind, 
/**
 * How far it has come.
 */
state: CommandState, 
/**
 * What it waits for, in one word (see `WaitReason`); while queued or leased.
 */
waiting_for?: string, 
/**
 * The beginning of what it asks for, for lists.
 */
summary?: string, 
/**
 * How urgent it is; `normal` when not given.
 */
priority?: Priority, 
/**
 * Its sender's own mark.
 */
key?: string, 
/**
 * The ordering key it was given: commands of one key run one after the other.
 */
order?: string, 
/**
 * It does not start before.
 */
not_before?: Timestamp, 
/**
 * It does not start after.
 */
expires_at?: Timestamp, 
/**
 * Somebody holds it.
 */
held_by?: DeviceId, 
/**
 * What became of the wish that it goes into the running turn.
 */
steer?: Steer, 
/**
 * The command whose turn it goes, or went, into.
 */
into?: CommandId, 
/**
 * Somebody asked to stop it.
 */
kill_requested_by?: DeviceId, 
/**
 * How often it was given to a runner.
 */
attempt: number, 
/**
 * The device that submitted it.
 */
submitted_by: DeviceId, 
/**
 * When it was accepted (it was on disk).
 */
created_at: Timestamp, 
/**
 * When it was given to its runner.
 */
leased_at?: Timestamp, 
/**
 * When its runner started it.
 */
started_at?: Timestamp, 
/**
 * When it ended.
 */
finished_at?: Timestamp, 
/**
 * How it ended.
 */
outcome?: Outcome, };
export type Hold = { 
/**
 * The command that is held.
 */
command_id?: CommandId, 
/**
 * The project that is held.
 */
project_id?: ProjectId, 
/**
 * The runner that is held. Without any of the three, everything is.
 */
runner_id?: DeviceId, 
/**
 * The device that asked for it.
 */
by: DeviceId, 
/**
 * When.
 */
at: Timestamp, };
export type BlobRef = { 
/**
 * SHA-256 of the whole text, in hexadecimal; its name in `/api/v1/blobs/`.
 */
hash: string, 
/**
 * Length of the whole text, in bytes.
 */
bytes: number, };
export type CommandState = "queued" | "leased" | "running" | "succeeded" | "failed" | "cancelled" | "expired" | "interrupted" | "dead";
export type OutcomeKind = "succeeded" | "failed" | "cancelled" | "killed" | "timed_out" | "interrupted" | "auth_required" | "session_lost" | "rate_limited" | "transient" | "limit_reached" | "missing_result" | "not_started";
export type Outcome = { 
/**
 * How it ended.
 */
kind: OutcomeKind, 
/**
 * The error code that fits, when it ended badly.
 */
code?: ErrorCode, 
/**
 * What happened, for people: the answer's text, or the reason of the failure.
 */
message?: string, 
/**
 * The program's exit code.
 */
exit_code?: number, 
/**
 * The signal that ended it.
 */
signal?: number, 
/**
 * Cost of this turn in US dollars.
 */
cost_usd?: number, 
/**
 * Turns the agent took.
 */
turns?: number, 
/**
 * From start to end, in milliseconds.
 */
duration_ms?: number, 
/**
 * When the usage limit ends.
 */
resets_at?: Timestamp, 
/**
 * How long the agent's service asked to wait, in milliseconds.
 */
retry_after_ms?: number, 
/**
 * The whole message, when `message` is only its beginning.
 */
blob?: BlobRef, };
export type CommandKind = "prompt" | "shell" | "new_session" | "kill";
export type Command = { 
/**
 * Its id.
 */
id: CommandId, 
/**
 * The project it belongs to.
 */
project_id: ProjectId, 
/**
 * The runner that hosts the project.
 */
runner_id: DeviceId, 
/**
 * The session it continues.
 */
session_id?: SessionId, 
/**
 * What it asks for.
 */
kind: CommandKind, 
/**
 * The agent that works on it.
 */
agent: AgentKind, 
/**
 * How far it has come.
 */
state: CommandState, 
/**
 * What it waits for, in one word (see `WaitReason`); while queued or leased.
 */
waiting_for?: string, 
/**
 * The beginning of what it asks for, for lists.
 */
summary?: string, 
/**
 * How urgent it is; `normal` when not given.
 */
priority?: Priority, 
/**
 * Its sender's own mark.
 */
key?: string, 
/**
 * The ordering key it was given: commands of one key run one after the other.
 */
order?: string, 
/**
 * It does not start before.
 */
not_before?: Timestamp, 
/**
 * It does not start after.
 */
expires_at?: Timestamp, 
/**
 * Somebody holds it.
 */
held_by?: DeviceId, 
/**
 * What became of the wish that it goes into the running turn.
 */
steer?: Steer, 
/**
 * The command whose turn it goes, or went, into.
 */
into?: CommandId, 
/**
 * Somebody asked to stop it.
 */
kill_requested_by?: DeviceId, 
/**
 * How often it was given to a runner.
 */
attempt: number, 
/**
 * The device that submitted it.
 */
submitted_by: DeviceId, 
/**
 * When it was accepted (it was on disk).
 */
created_at: Timestamp, 
/**
 * When it was given to its runner.
 */
leased_at?: Timestamp, 
/**
 * When its runner started it.
 */
started_at?: Timestamp, 
/**
 * When it ended.
 */
finished_at?: Timestamp, 
/**
 * How it ended.
 */
outcome?: Outcome, };
export type DeviceKind = "console" | "cli" | "browser" | "editor" | "runner";
export type Scope = "view" | "approve" | "prompt" | "shell" | "admin" | "runner";
export type CredentialKind = "token" | "key";
export type DeviceAbout = { 
/**
 * Operating system and architecture, such as `linux x86_64`.
 */
system: string, 
/**
 * Version of its Afield.
 */
version: string, };
export type Device = { 
/**
 * Its id.
 */
id: DeviceId, 
/**
 * Its name, chosen by its owner.
 */
name: string, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * What it may do.
 */
scopes: Array<Scope>, 
/**
 * How it shows who it is.
 */
credential: CredentialKind, 
/**
 * What it said about its machine when it was paired.
 */
about?: DeviceAbout, 
/**
 * The words its owner gave it, for selectors.
 */
labels?: Array<string>, 
/**
 * Its rank when work is placed by order: greater is asked first.
 */
priority: number, 
/**
 * How its version compares with the server's; only in lists, absent when it is the same.
 */
skew?: Skew, 
/**
 * Whether it is there; only in lists.
 */
presence?: Presence, 
/**
 * Since its last sign of life, in milliseconds; only in lists, absent when none is known.
 */
silent_ms?: number, 
/**
 * From where it last connected.
 */
last_address?: string, 
/**
 * When it was first paired.
 */
created_at: Timestamp, 
/**
 * When it last connected, as far as the store knows.
 */
last_seen_at?: Timestamp, 
/**
 * When its credential ends by itself.
 */
expires_at?: Timestamp, 
/**
 * When it was thrown out.
 */
revoked_at?: Timestamp, };
export type PairingState = "open" | "claimed" | "approved" | "refused" | "locked";
export type Claim = { 
/**
 * The name it gives itself.
 */
name: string, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * The machine it runs on.
 */
about: DeviceAbout, 
/**
 * From where it came, as the server saw it.
 */
address: string, };
export type Pairing = { 
/**
 * Its id.
 */
id: PairingId, 
/**
 * How far it is.
 */
state: PairingState, 
/**
 * The device that started it.
 */
created_by: DeviceId, 
/**
 * What the new device may do.
 */
scopes: Array<Scope>, 
/**
 * The name it will have; its own when absent.
 */
name?: string, 
/**
 * When it ends.
 */
expires_at: Timestamp, 
/**
 * It is a link: who comes with its secret is let in without a decision.
 */
link: boolean, 
/**
 * Who came.
 */
claim?: Claim, 
/**
 * The two digits the new device must show as well.
 */
digits?: string, 
/**
 * The device it became.
 */
device_id?: DeviceId, };
export type Audited = { "action": "device_created", 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * What it may do.
 */
scopes: Array<Scope>, } | { "action": "link_created", 
/**
 * Which pairing it is; absent in entries of links that were none.
 */
pairing_id?: PairingId, 
/**
 * What a device that uses it may do.
 */
scopes: Array<Scope>, } | { "action": "link_redeemed", 
/**
 * The device it became.
 */
device_id: DeviceId, 
/**
 * Its name.
 */
name: string, } | { "action": "pairing_started", 
/**
 * Which.
 */
pairing_id: PairingId, 
/**
 * What the new device may do.
 */
scopes: Array<Scope>, } | { "action": "pairing_claimed", 
/**
 * Which.
 */
pairing_id: PairingId, 
/**
 * The name it gives itself.
 */
name: string, 
/**
 * From where.
 */
address: string, 
/**
 * SHA-256 of its key, in hexadecimal.
 */
key_sha256: string, } | { "action": "device_paired", 
/**
 * Which pairing.
 */
pairing_id: PairingId, 
/**
 * The device.
 */
device_id: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * What it may do.
 */
scopes: Array<Scope>, 
/**
 * It was known before.
 */
again: boolean, } | { "action": "pairing_refused", 
/**
 * Which.
 */
pairing_id: PairingId, } | { "action": "pairing_locked", 
/**
 * Which.
 */
pairing_id: PairingId, 
/**
 * From where the last wrong one came.
 */
address: string, } | { "action": "scopes_changed", 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * What it could do.
 */
before: Array<Scope>, 
/**
 * What it can do now.
 */
after: Array<Scope>, } | { "action": "device_renamed", 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * The new name.
 */
name: string, } | { "action": "device_labelled", 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * Its labels now.
 */
labels: Array<string>, 
/**
 * Its rank now.
 */
priority: number, } | { "action": "device_revoked", 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * It is not shown any more.
 */
forgotten: boolean, } | { "action": "approval_answered", 
/**
 * Which.
 */
approval_id: ApprovalId, 
/**
 * Of which command.
 */
command_id: CommandId, 
/**
 * Allowed or denied.
 */
state: ApprovalState, 
/**
 * What it was about.
 */
tool: string, 
/**
 * SHA-256, in hexadecimal, of what was approved: the JSON of `input` exactly as the
 * runner asked.
 */
input_sha256: string, 
/**
 * From a notification, with its token.
 */
one_tap?: boolean, 
/**
 * The rules that hold from then on.
 */
rules?: Array<PermissionRule>, } | { "action": "work_started", 
/**
 * Which command.
 */
command_id: CommandId, 
/**
 * In which project.
 */
project_id: ProjectId, 
/**
 * On which runner.
 */
runner_id: DeviceId, 
/**
 * Which attempt.
 */
attempt: number, 
/**
 * With which agent.
 */
agent: AgentKind, } | { "action": "work_ended", 
/**
 * Which command.
 */
command_id: CommandId, 
/**
 * Which attempt.
 */
attempt: number, 
/**
 * How.
 */
outcome: OutcomeKind, 
/**
 * How many processes were stopped.
 */
killed: number, } | { "action": "limit_hit", 
/**
 * The limit.
 */
limit: string, 
/**
 * From where; absent when it is a limit in all.
 */
address?: string, };
export type AuditEntry = { 
/**
 * 1, 2, 3, … within the org, without gaps.
 */
number: number, 
/**
 * When.
 */
at: Timestamp, 
/**
 * The device that did it; absent when the server did.
 */
by?: DeviceId, 
/**
 * What.
 */
what: Audited, };
export type AuditRecord = { 
/**
 * The entry.
 */
entry: AuditEntry, 
/**
 * Its hash, in hexadecimal.
 */
hash: string, };
export type AuditCheck = { 
/**
 * Entries that are as they were written, from the first on.
 */
entries: number, 
/**
 * Hash of the last of them, in hexadecimal. Kept elsewhere, it shows later that nothing up to
 * here was changed or cut off.
 */
hash: string, 
/**
 * What is wrong behind them; absent when the chain is whole.
 */
broken?: string, };
export type ProjectState = "IDLE" | "EXECUTING" | "ERROR";
export type ProjectSettings = { 
/**
 * A name to show instead of the last part of the path.
 */
name?: string, 
/**
 * The agent that answers prompts. Claude when not set.
 */
agent?: AgentKind, 
/**
 * Options every command of this project starts from.
 */
options?: ExecuteOptions, };
export type Project = { 
/**
 * Its id.
 */
id: ProjectId, 
/**
 * The canonical path on the runner.
 */
path: string, 
/**
 * The runner that hosts it.
 */
runner_id: DeviceId, 
/**
 * What it is doing.
 */
state: ProjectState, 
/**
 * Why it is in ERROR.
 */
reason?: string, 
/**
 * The current session. The next prompt continues it.
 */
session_id: SessionId | null, 
/**
 * The command that is running or waiting.
 */
command_id?: CommandId, 
/**
 * What the owner chose.
 */
settings: ProjectSettings, 
/**
 * When it was made.
 */
created_at: Timestamp, 
/**
 * When something last happened in it.
 */
last_active: Timestamp, };
export type Sandbox = "cgroup" | "none";
export type RunnerLoad = { 
/**
 * How much of all its processors is in use, 0 to 100.
 */
percent: number, 
/**
 * Memory that is free for programs, in bytes.
 */
memory_free_bytes: number, 
/**
 * Commands it works on.
 */
executing: number, 
/**
 * Commands it would take now.
 */
free_slots: number, 
/**
 * Its disk takes no writes, most likely because it is full: what it was given does not start until it does.
 */
disk_refuses?: boolean, };
export type RunnerBeat = { 
/**
 * How busy.
 */
load: RunnerLoad, 
/**
 * Its agents, when something about them has changed.
 */
agents?: Array<AgentFacts>, };
export type Skew = "older" | "newer";
export type Attempt = { 
/**
 * The command.
 */
command_id: CommandId, 
/**
 * Counted from 1.
 */
attempt: number, 
/**
 * Grows with every lease of the command; a runner refuses a lower one than it has seen.
 */
fence: number, };
export type AgentFacts = { 
/**
 * Which agent.
 */
agent: AgentKind, 
/**
 * Whether it can be used now.
 */
available: boolean, 
/**
 * Its version, where it has one.
 */
version?: string, 
/**
 * Why it can't be used, or what is odd about it.
 */
note?: string, 
/**
 * What it can do, in words: `ask`, `images`, `interrupt`, `modes`, `resume`, `steer`.
 */
can?: Array<string>, };
export type RunnerFacts = { 
/**
 * Version of its Afield.
 */
version: string, 
/**
 * Operating system, such as `linux`.
 */
os: string, 
/**
 * Processor architecture, such as `x86_64`.
 */
arch: string, 
/**
 * Host name.
 */
host: string, 
/**
 * Processor cores.
 */
cores: number, 
/**
 * Memory, in bytes.
 */
memory_bytes: number, 
/**
 * The agents it can drive.
 */
agents: Array<AgentFacts>, 
/**
 * The directories projects may lie in.
 */
roots: Array<string>, 
/**
 * Whether its policy allows shell lines.
 */
shell: boolean, 
/**
 * Most commands it works on at once.
 */
concurrency: number, 
/**
 * Programs found on its PATH that work often needs, such as `git` or `node`.
 */
tools: Array<string>, 
/**
 * Labels its own policy gives it; its owner gives others.
 */
labels: Array<string>, 
/**
 * How well what an agent starts is kept together and apart.
 */
sandbox: Sandbox, 
/**
 * Longest a command may take there, in seconds.
 */
execution_timeout_seconds: number, 
/**
 * How busy it is; absent where it is not known.
 */
load?: RunnerLoad, };
export type KilledProcess = { 
/**
 * Its process id.
 */
pid: number, 
/**
 * Its name, as far as known.
 */
name: string, 
/**
 * The last signal it was sent, such as `TERM`.
 */
signal: string, };
export type AttemptReport = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * Number of its last record on the runner's disk.
 */
last_record: number, 
/**
 * The last record of which the runner was told that the server has it. It is sent no more: a server that
 * has less was put back to an earlier state.
 */
acknowledged?: number, 
/**
 * Whether its process still runs.
 */
alive: boolean, };
export type RunnerHello = { 
/**
 * Lowest and highest protocol version it speaks.
 */
protocol: [number, number], 
/**
 * What it can do beyond that version's base; see [`crate::live::FEATURES`].
 */
features?: Array<string>, 
/**
 * Facts about the machine.
 */
facts: RunnerFacts, 
/**
 * Every attempt whose records the server has not acknowledged in full, from the journal.
 */
attempts: Array<AttemptReport>, };
export type RunnerWelcome = { 
/**
 * The runner's device id.
 */
runner_id: DeviceId, 
/**
 * The protocol version both will speak.
 */
protocol: number, 
/**
 * The features both have.
 */
features: Array<string>, 
/**
 * Per reported attempt: the last record the server has. The runner sends what follows and
 * forgets an attempt when its last record is acknowledged.
 */
acknowledged: Array<Acknowledged>, 
/**
 * How often to send a sign of life, in milliseconds.
 */
ping_interval_ms: number, };
export type Acknowledged = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * The last record on the server's disk; 0 when there is none.
 */
last_record: number, 
/**
 * The server will never take more of it (the command is final, or this fence is old): stop
 * what still runs and forget it.
 */
closed: boolean, };
export type OutputStream = "stdout" | "stderr";
export type RunnerRecord = { "started": { 
/**
 * When.
 */
at: Timestamp, } } | { "message": AgentMessage } | { "output": { 
/**
 * When the runner read them.
 */
at: Timestamp, 
/**
 * Where it wrote them.
 */
stream: OutputStream, 
/**
 * The lines.
 */
lines: Array<string>, } } | { "native_session": { 
/**
 * The id.
 */
native_id: string, } } | { "asked": { 
/**
 * When.
 */
at: Timestamp, 
/**
 * What.
 */
ask: ApprovalAsk, } } | { "withdrawn": { 
/**
 * When.
 */
at: Timestamp, 
/**
 * Which approval.
 */
approval_id: ApprovalId, } } | { "steered": { 
/**
 * When.
 */
at: Timestamp, 
/**
 * The command that carries them.
 */
command_id: CommandId, } } | { "finished": { 
/**
 * When.
 */
at: Timestamp, 
/**
 * How.
 */
outcome: Outcome, 
/**
 * Processes that were stopped to end it.
 */
killed?: Array<KilledProcess>, } };
export type RunnerRecords = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * Number of the first of them, counted from 1.
 */
first_record: number, 
/**
 * The records.
 */
records: Array<RunnerRecord>, 
/**
 * The highest fence the runner has seen of the command, where it refused the order for that: by a server
 * that was put back to an earlier state. The next lease gets a higher one.
 */
fence_seen?: number, };
export type RunnerPartial = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * The messages, in order.
 */
messages: Array<AgentMessage>, };
export type RunnerExecute = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * Follows the work through all logs.
 */
request_id: RequestId, 
/**
 * The project.
 */
project_id: ProjectId, 
/**
 * Its directory, as the runner itself resolved it when the project was made.
 */
path: string, 
/**
 * The session.
 */
session_id: SessionId, 
/**
 * The agent's own id of the conversation, once it has one.
 */
native_session?: string, 
/**
 * The agent.
 */
agent: AgentKind, 
/**
 * What to do.
 */
prompt: string, 
/**
 * How.
 */
options: ExecuteOptions, 
/**
 * Files that go with it, to be fetched with `runner_blob`.
 */
attachments?: Array<Attachment>, };
export type RunnerKill = { 
/**
 * Which attempt.
 */
attempt: Attempt, };
export type RunnerKilled = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * The processes that were stopped. Empty when it had ended by itself.
 */
killed: Array<KilledProcess>, };
export type RunnerInterrupt = { 
/**
 * Which attempt.
 */
attempt: Attempt, };
export type RunnerSteer = { 
/**
 * Whose turn.
 */
attempt: Attempt, 
/**
 * The command that carries the words.
 */
command_id: CommandId, 
/**
 * The words.
 */
prompt: string, 
/**
 * Files that go with them.
 */
attachments?: Array<Attachment>, };
export type RunnerSteered = { 
/**
 * The agent is given them, and a record says so. Otherwise it takes none, and never will be
 * given these.
 */
taken: boolean, };
export type RunnerBlob = { 
/**
 * The command.
 */
command_id: CommandId, 
/**
 * Which of its files.
 */
hash: string, 
/**
 * From which byte on.
 */
offset: number, };
export type RunnerBlobPart = { 
/**
 * Bytes in base64: at most [`crate::limits::BLOB_PART_BYTES`] of them; none behind the end.
 */
data: string, };
export type RunnerAnswer = { 
/**
 * Which attempt asked.
 */
attempt: Attempt, 
/**
 * Which approval.
 */
approval_id: ApprovalId, 
/**
 * The answer.
 */
answer: Answer, };
export type RunnerSetMode = { 
/**
 * Which attempt.
 */
attempt: Attempt, 
/**
 * The new mode.
 */
permission_mode: PermissionMode, };
export type RunnerResolvePath = { 
/**
 * As the person wrote it.
 */
path: string, };
export type RunnerPath = { 
/**
 * The canonical path.
 */
path: string, 
/**
 * Equal for two spellings of one directory on this runner's file system (letter case and
 * Unicode form folded where the file system folds them). Compared component by component to
 * find duplicates and nesting.
 */
key: string, };
export type RunnerMeasure = Record<symbol, never>;
export type RunnerHealth = { 
/**
 * When it was measured.
 */
at: Timestamp, 
/**
 * Processor use of the machine over the last interval, 0 to 1.
 */
cpu: number, 
/**
 * Memory in use, in bytes.
 */
memory_used_bytes: number, 
/**
 * Memory in all, in bytes.
 */
memory_total_bytes: number, 
/**
 * Free space where projects lie, in bytes.
 */
disk_free_bytes: number, 
/**
 * Commands it works on.
 */
executing: number, 
/**
 * The agents, probed again.
 */
agents: Array<AgentFacts>, };
export type PushKind = "approval" | "question" | "failure" | "dead_letter" | "finished" | "runner";
export type TimeOfDay = string;
export type QuietHours = { 
/**
 * From then.
 */
from: TimeOfDay, 
/**
 * Until then; on the next day when it is not later. The same as `from`: all day.
 */
to: TimeOfDay, 
/**
 * The place these times are of, such as `Europe/Berlin`.
 */
time_zone: string, 
/**
 * Approvals and questions come all the same.
 */
urgent: boolean, };
export type PushSettings = { 
/**
 * Of what.
 */
kinds: Array<PushKind>, 
/**
 * When not.
 */
quiet?: QuietHours, };
export type PushKeys = { 
/**
 * Its public key.
 */
p256dh: string, 
/**
 * Its secret.
 */
auth: string, };
export type PushState = { 
/**
 * What it wants to be told.
 */
settings: PushSettings, 
/**
 * The push service it is told through; absent without a subscription. Who knows the whole
 * address can send to the device, so only its host is shown.
 */
service?: string, 
/**
 * When it subscribed.
 */
subscribed_at?: Timestamp, };
export type PushOutcome = "sent" | "failed" | "gone";
export type PushDelivery = { 
/**
 * When it was decided.
 */
at: Timestamp, 
/**
 * What it was about; absent for a test.
 */
kind?: PushKind, 
/**
 * Its title.
 */
title: string, 
/**
 * What became of it.
 */
outcome: PushOutcome, 
/**
 * How often it was sent.
 */
tries: number, 
/**
 * What the push service answered last.
 */
status?: number, 
/**
 * Why it failed, for people.
 */
reason?: string, };
export type PushMessage = { 
/**
 * What it is about; absent for a test.
 */
kind?: PushKind, 
/**
 * One line.
 */
title: string, 
/**
 * What follows below it; may be empty.
 */
body: string, 
/**
 * Takes the place of an earlier one with the same tag.
 */
tag: string, 
/**
 * How many things it tells of.
 */
count: number, 
/**
 * When it was decided.
 */
at: Timestamp, 
/**
 * The project.
 */
project_id?: ProjectId, 
/**
 * The runner that went or is back.
 */
runner_id?: DeviceId, 
/**
 * The command, when it is about one.
 */
command_id?: CommandId, 
/**
 * The approval, when it is about one.
 */
approval_id?: ApprovalId, 
/**
 * How dangerous what is asked is.
 */
danger?: DangerLevel, 
/**
 * Answers that approval once, without another credential.
 */
token?: string, };
export type Hlc = { 
/**
 * Unix milliseconds of the wall clock, or of the latest write seen if that is ahead.
 */
ms: number, 
/**
 * Tells writes of one millisecond apart.
 */
count: number, 
/**
 * The copy it was written in: no two have the same, so no two points are equal.
 */
node: ReplicaId, };
export type DraftText = { 
/**
 * The text.
 */
text: string, 
/**
 * When it was typed, by the clock of its device.
 */
hlc: Hlc, 
/**
 * The device.
 */
device_id: DeviceId, 
/**
 * Its name then.
 */
device_name: string, };
export type StateRegister = { 
/**
 * Its key.
 */
key: string, 
/**
 * Grows with every change of the person's state: the greater is the newer.
 */
version: number, 
/**
 * What it holds; absent when it was deleted.
 */
value?: unknown, 
/**
 * When `value` was written, by the clock of its device.
 */
hlc: Hlc, 
/**
 * The device that wrote `value`.
 */
device_id: DeviceId, 
/**
 * Its name then.
 */
device_name: string, 
/**
 * When the server took the last change.
 */
changed_at: Timestamp, 
/**
 * Of a draft: texts that were typed without knowing `value`, the newest first. A write that
 * knows this version replaces them all.
 */
others?: Array<DraftText>, };
export type DevicePreference = { 
/**
 * Where work goes that names no place.
 */
project_id?: ProjectId, 
/**
 * Who does it where its project has no agent of its own.
 */
agent?: AgentKind, };
export type StateVerdict = "written" | "superseded" | "conflict" | "known";
export type Focus = { 
/**
 * The project.
 */
project_id?: ProjectId, 
/**
 * The conversation.
 */
session_id?: SessionId, 
/**
 * The position: number of the last event that was shown.
 */
seq?: number, 
/**
 * The register of the text being typed.
 */
draft?: string, 
/**
 * The question that is open.
 */
approval_id?: ApprovalId, };
export type Holder = { 
/**
 * Its device.
 */
device_id: DeviceId, 
/**
 * The device's name then.
 */
device_name: string, 
/**
 * Which screen of the device; chosen by it.
 */
screen: ReplicaId, };
export type Handoff = { 
/**
 * Grows with every change of the holder. Who takes the focus names it.
 */
version: number, 
/**
 * Who holds it; nobody after the holder's connection has been gone for a while.
 */
holder?: Holder, 
/**
 * The device the holder asks to go on.
 */
offered_to?: DeviceId, 
/**
 * What the holder shows, or showed last.
 */
focus: Focus, 
/**
 * Since when the holder is who it is.
 */
since: Timestamp, };
export type Presence = "online" | "stale" | "away" | "asleep" | "revoked";
export type DevicePresence = { 
/**
 * Which device.
 */
device_id: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * In one word.
 */
presence: Presence, 
/**
 * Since its last sign of life, in milliseconds; absent when none is known.
 */
silent_ms?: number, 
/**
 * Its open connections.
 */
connections: number, 
/**
 * When this was seen.
 */
at: Timestamp, };
export type DeviceMessage = { 
/**
 * The same however often it comes: what has come is not to be done again.
 */
id: MessageId, 
/**
 * The device it comes from.
 */
from: DeviceId, 
/**
 * Its name.
 */
from_name: string, 
/**
 * What it says.
 */
body: unknown, 
/**
 * When the server took it.
 */
sent_at: Timestamp, };
export type MessageState = "held" | "delivered";
export type MessageStatus = { 
/**
 * Which message.
 */
id: MessageId, 
/**
 * Its receiver.
 */
to: DeviceId, 
/**
 * How far it is.
 */
state: MessageState, };
export type SessionResetReason = "requested" | "lost";
export type RunnerState = { 
/**
 * Its device id.
 */
runner_id: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * Whether it is connected now, on the evidence of its last sign of life.
 */
online: boolean, 
/**
 * When it last gave a sign of life.
 */
last_seen_at?: Timestamp, 
/**
 * What it said about itself.
 */
facts?: RunnerFacts, 
/**
 * The labels its owner gave it; those of its own policy are among the facts.
 */
labels?: Array<string>, 
/**
 * Its rank when work is placed by order: greater is asked first.
 */
priority: number, 
/**
 * The protocol version it was agreed to speak on its connection.
 */
protocol?: number, 
/**
 * The features that were agreed.
 */
features?: Array<string>, 
/**
 * How its version compares with the server's; absent when it is the same.
 */
skew?: Skew, };
export type HoldState = { 
/**
 * The project; without it and a runner, everything.
 */
project_id?: ProjectId, 
/**
 * The runner.
 */
runner_id?: DeviceId, 
/**
 * The hold; absent when it was released.
 */
hold?: Hold, };
export type ServerStats = { 
/**
 * When they were taken.
 */
at: Timestamp, 
/**
 * Seconds since the server started.
 */
uptime_seconds: number, 
/**
 * Open WebSocket connections.
 */
connections: number, 
/**
 * Connected runners.
 */
runners: number, 
/**
 * Projects of the org.
 */
projects: number, 
/**
 * Projects whose runner says that they execute.
 */
executing: number, 
/**
 * Frames received since the start.
 */
messages_received: number, 
/**
 * Frames sent since the start.
 */
messages_sent: number, 
/**
 * Durable events written since the start.
 */
events_written: number, 
/**
 * Resident memory of the server, in bytes.
 */
memory_bytes: number, };
export type HealthStatus = "ok" | "degraded" | "failed";
export type StoreHealth = { 
/**
 * Whether the write succeeded.
 */
status: HealthStatus, 
/**
 * `sqlite` or `postgres`, with its version.
 */
engine: string, 
/**
 * How long the write took until it was on disk, in milliseconds.
 */
write_ms: number, 
/**
 * Parts of the log that could not be read and were set aside.
 */
damaged: number, };
export type RunnerLinkHealth = { 
/**
 * Which runner.
 */
runner_id: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * Whether it is connected.
 */
online: boolean, 
/**
 * When it last gave a sign of life.
 */
last_seen_at?: Timestamp, 
/**
 * There and back, in milliseconds; absent when it did not answer in time.
 */
round_trip_ms?: number, 
/**
 * Its disk takes no writes: what it was given does not start until it does.
 */
disk_refuses?: boolean, 
/**
 * The agents found on it.
 */
agents: Array<AgentFacts>, };
export type HealthCheck = { 
/**
 * The worst of the parts.
 */
status: HealthStatus, 
/**
 * When it was measured.
 */
at: Timestamp, 
/**
 * The server's version.
 */
version: string, 
/**
 * Processor use of the machine, 0 to 1.
 */
cpu: number, 
/**
 * Memory in use on the machine, in bytes.
 */
memory_used_bytes: number, 
/**
 * Memory of the machine, in bytes.
 */
memory_total_bytes: number, 
/**
 * Free space where the data lies, in bytes.
 */
disk_free_bytes: number, 
/**
 * The store: one durable write, timed.
 */
store: StoreHealth, 
/**
 * Every runner with its link and the agents found on it.
 */
runners: Array<RunnerLinkHealth>, };
export type ConnectionHealth = { 
/**
 * When it was taken.
 */
at: Timestamp, 
/**
 * The last ping there and back, in milliseconds.
 */
round_trip_ms?: number, 
/**
 * Bytes that wait to be sent on this connection.
 */
queued_bytes: number, 
/**
 * Ephemeral messages this connection was too slow for, since it opened.
 */
dropped: number, };
export type LostEvents = { 
/**
 * The topic.
 */
topic: string, 
/**
 * Number of the first of them.
 */
first: number, 
/**
 * Number of the last of them.
 */
last: number, };
export type Fact = { "type": "project_state", "data": Project } | { "type": "project_update", "data": Project } | { "type": "project_deleted", "data": { 
/**
 * Which.
 */
project_id: ProjectId, } } | { "type": "agent_message", "data": AgentMessage } | { "type": "session_reset", "data": { 
/**
 * The new session.
 */
session_id: SessionId, 
/**
 * Why: somebody asked, or the agent lost the old one.
 */
reason: SessionResetReason, } } | { "type": "process_killed", "data": { 
/**
 * The command it worked on.
 */
command_id: CommandId, 
/**
 * The device that asked for it.
 */
by: DeviceId, 
/**
 * The processes that were stopped.
 */
killed: Array<KilledProcess>, } } | { "type": "command_state", "data": Command } | { "type": "command_gone", "data": { 
/**
 * Which.
 */
command_id: CommandId, } } | { "type": "approval_state", "data": Approval } | { "type": "runner_state", "data": RunnerState } | { "type": "device_state", "data": Device } | { "type": "device_gone", "data": { 
/**
 * Which.
 */
device_id: DeviceId, } } | { "type": "hold_state", "data": HoldState } | { "type": "state_changed", "data": StateRegister } | { "type": "handoff_state", "data": Handoff } | { "type": "device_message", "data": DeviceMessage } | { "type": "device_message_state", "data": MessageStatus } | { "type": "device_presence", "data": DevicePresence } | { "type": "server_stats", "data": ServerStats } | { "type": "health_check", "data": HealthCheck } | { "type": "connection_health", "data": ConnectionHealth } | { "type": "gap", "data": LostEvents };
export type CorrelationId = string | number;
export type HistoryMessage = { 
/**
 * Its number in the project's topic.
 */
seq: number, 
/**
 * When the runner read it.
 */
timestamp: Timestamp, 
/**
 * Who speaks.
 */
direction: Direction, 
/**
 * What it is.
 */
kind: MessageKind, 
/**
 * The command it belongs to.
 */
command_id?: CommandId, 
/**
 * The session it belongs to.
 */
session_id?: SessionId, 
/**
 * The words in it, where there are any: what a plain client shows and what a search finds.
 */
text?: string, 
/**
 * The tool used or answered, where there is one.
 */
tool?: ToolRef, 
/**
 * The tool use (of a sub-agent) this message belongs to.
 */
parent?: string, 
/**
 * What it tells about its session.
 */
news?: SessionNews, 
/**
 * What is odd about it.
 */
flags?: MessageFlags, 
/**
 * The agent's own frame.
 */
message: unknown, };
export type FoundMessage = { 
/**
 * The project it was said in.
 */
project_id: ProjectId, 
/**
 * Its number in the project's topic.
 */
seq: number, 
/**
 * When the runner read it.
 */
timestamp: Timestamp, 
/**
 * Who speaks.
 */
direction: Direction, 
/**
 * What it is.
 */
kind: MessageKind, 
/**
 * The command it belongs to.
 */
command_id?: CommandId, 
/**
 * The session it belongs to.
 */
session_id?: SessionId, 
/**
 * The words in it, where there are any: what a plain client shows and what a search finds.
 */
text?: string, 
/**
 * The tool used or answered, where there is one.
 */
tool?: ToolRef, 
/**
 * The tool use (of a sub-agent) this message belongs to.
 */
parent?: string, 
/**
 * What it tells about its session.
 */
news?: SessionNews, 
/**
 * What is odd about it.
 */
flags?: MessageFlags, 
/**
 * The agent's own frame.
 */
message: unknown, };
export type Verdict = "ok" | "gap";
export type Empty = Record<symbol, never>;
export type RunnerInspect = { 
/**
 * The project's directory.
 */
path: string, };
export type RunnerRepository = { 
/**
 * The commit that is checked out; absent when the directory is no repository with one.
 */
commit?: string, 
/**
 * Files that are changed or not known to it.
 */
changes: number, };
export type Request = { "type": "project_create", "data": ProjectCreate } | { "type": "project_list", "data": ProjectList } | { "type": "project_get", "data": ProjectGet } | { "type": "project_update", "data": ProjectUpdate } | { "type": "project_delete", "data": ProjectDelete } | { "type": "project_join", "data": ProjectJoin } | { "type": "project_leave", "data": ProjectLeave } | { "type": "execute", "data": Execute } | { "type": "agent_new_session", "data": AgentNewSession } | { "type": "agent_kill", "data": AgentKill } | { "type": "agent_interrupt", "data": AgentInterrupt } | { "type": "agent_set_mode", "data": AgentSetMode } | { "type": "get_messages", "data": GetMessages } | { "type": "message_search", "data": MessageSearch } | { "type": "health_check", "data": HealthCheckAsk } | { "type": "subscribe", "data": Subscribe } | { "type": "unsubscribe", "data": Unsubscribe } | { "type": "command_submit", "data": CommandSubmit } | { "type": "command_get", "data": CommandGet } | { "type": "command_show", "data": CommandShow } | { "type": "command_list", "data": CommandList } | { "type": "command_explain", "data": CommandExplain } | { "type": "command_cancel", "data": CommandCancel } | { "type": "command_edit", "data": CommandEdit } | { "type": "command_move", "data": CommandMove } | { "type": "command_hold", "data": CommandHold } | { "type": "command_release", "data": CommandRelease } | { "type": "hold_list", "data": HoldList } | { "type": "command_retry", "data": CommandRetry } | { "type": "command_purge", "data": CommandPurge } | { "type": "command_resolve", "data": CommandResolve } | { "type": "blob_get", "data": BlobGet } | { "type": "session_list", "data": SessionList } | { "type": "session_get", "data": SessionGet } | { "type": "session_move", "data": SessionMove } | { "type": "approval_list", "data": ApprovalList } | { "type": "approval_answer", "data": ApprovalAnswer } | { "type": "device_create", "data": DeviceCreate } | { "type": "device_list", "data": DeviceList } | { "type": "device_link", "data": DeviceLink } | { "type": "device_revoke", "data": DeviceRevoke } | { "type": "device_revoke_others", "data": DeviceRevokeOthers } | { "type": "device_forget", "data": DeviceForget } | { "type": "device_set_scopes", "data": DeviceSetScopes } | { "type": "device_rename", "data": DeviceRename } | { "type": "device_label", "data": DeviceLabel } | { "type": "device_pair_start", "data": DevicePairStart } | { "type": "device_pair_status", "data": DevicePairStatus } | { "type": "device_pair_list", "data": DevicePairList } | { "type": "device_pair_decide", "data": DevicePairDecide } | { "type": "audit_list", "data": AuditList } | { "type": "audit_verify", "data": AuditVerify } | { "type": "state_get", "data": StateGet } | { "type": "state_set", "data": StateSet } | { "type": "handoff_get", "data": HandoffGet } | { "type": "handoff_take", "data": HandoffTake } | { "type": "handoff_move", "data": HandoffMove } | { "type": "handoff_offer", "data": HandoffOffer } | { "type": "handoff_release", "data": HandoffRelease } | { "type": "device_message", "data": DeviceMessageSend } | { "type": "device_broadcast", "data": DeviceBroadcast } | { "type": "device_inbox", "data": DeviceInbox } | { "type": "device_message_ack", "data": DeviceMessageAck } | { "type": "device_presence", "data": DevicePresenceAsk } | { "type": "device_looking", "data": DeviceLooking } | { "type": "push_key", "data": PushKey } | { "type": "push_subscribe", "data": PushSubscribe } | { "type": "push_unsubscribe", "data": PushUnsubscribe } | { "type": "push_settings", "data": PushSettingsAsk } | { "type": "push_test", "data": PushTest } | { "type": "push_log", "data": PushLog } | { "type": "runner_sleep", "data": RunnerSleep } | { "type": "runner_list", "data": RunnerList } | { "type": "runner_hello", "data": RunnerHello } | { "type": "runner_beat", "data": RunnerBeat } | { "type": "runner_records", "data": RunnerRecords } | { "type": "runner_blob", "data": RunnerBlob } | { "type": "runner_partial", "data": RunnerPartial };
export type ProjectCreate = { 
/**
 * An absolute path on the runner.
 */
path: string, 
/**
 * The runner. May be left out while the org has only one.
 */
runner_id?: DeviceId, 
/**
 * What the owner chose.
 */
settings?: ProjectSettings, };
export type ProjectList = Record<symbol, never>;
export type ProjectListReply = { 
/**
 * The projects, oldest first.
 */
projects: Array<Project>, };
export type ProjectGet = { 
/**
 * Which.
 */
project_id?: ProjectId, };
export type ProjectUpdate = { 
/**
 * Which.
 */
project_id?: ProjectId, 
/**
 * The new settings, whole.
 */
settings: ProjectSettings, };
export type ProjectDelete = { 
/**
 * Which.
 */
project_id?: ProjectId, };
export type ProjectJoin = { 
/**
 * Which.
 */
project_id?: ProjectId, 
/**
 * Send what came after this event first. Without it only what comes from now on is sent.
 */
after?: number, };
export type ProjectJoinReply = { 
/**
 * The project as it is.
 */
project: Project, 
/**
 * Number of the topic's last event.
 */
seq: number, 
/**
 * Whether everything after `after` follows.
 */
verdict: Verdict, };
export type ProjectLeave = { 
/**
 * Which.
 */
project_id?: ProjectId, };
export type Execute = { 
/**
 * Which project.
 */
project_id?: ProjectId, 
/**
 * What to do.
 */
prompt?: string, 
/**
 * How.
 */
options?: ExecuteOptions, 
/**
 * Another agent than the project's.
 */
agent?: AgentKind, 
/**
 * Makes a repetition harmless: the same key from the same device gives the first command
 * back. At most 128 bytes.
 */
key?: string, 
/**
 * Files that go with the prompt; their bytes were uploaded before.
 */
attachments?: Array<Attachment>, };
export type AgentNewSession = { 
/**
 * Which project.
 */
project_id?: ProjectId, };
export type AgentNewSessionReply = { 
/**
 * The session the next prompt starts.
 */
session_id: SessionId, };
export type AgentKill = { 
/**
 * Which project.
 */
project_id?: ProjectId, };
export type AgentKillReply = { 
/**
 * The command that was stopped.
 */
command_id: CommandId, 
/**
 * The processes that were stopped.
 */
killed: Array<KilledProcess>, };
export type AgentInterrupt = { 
/**
 * Which project.
 */
project_id?: ProjectId, };
export type AgentSetMode = { 
/**
 * Which project.
 */
project_id?: ProjectId, 
/**
 * The new mode.
 */
permission_mode: PermissionMode, };
export type GetMessages = { 
/**
 * Which project.
 */
project_id?: ProjectId, 
/**
 * Only messages of this time or later.
 */
since?: Timestamp, 
/**
 * Only messages after this event, oldest first.
 */
after?: number, 
/**
 * Only messages before this event; the newest of them.
 */
before?: number, 
/**
 * At most so many; 100 when not given, 1,000 at most.
 */
limit?: number, 
/**
 * Only messages of this direction.
 */
direction?: Direction, 
/**
 * Only messages of this kind.
 */
kind?: MessageKind, 
/**
 * Only messages whose text contains this, in any case of letters.
 */
text?: string, };
export type GetMessagesReply = { 
/**
 * The messages in the order they were said, each an `agent_message` with `seq`.
 */
messages: Array<HistoryMessage>, 
/**
 * There are more in the direction asked for.
 */
more: boolean, 
/**
 * Number of the topic's last event.
 */
seq: number, 
/**
 * Parts of the range that can't be read, as pairs of first and last number.
 */
gaps: Array<[number, number]>, };
export type HealthCheckAsk = Record<symbol, never>;
export type Subscribe = { 
/**
 * What to follow.
 */
topic: string, 
/**
 * Send what came after this event first. Without it only what comes from now on is sent.
 */
after?: number, };
export type SubscribeReply = { 
/**
 * What is followed.
 */
topic: string, 
/**
 * Number of the topic's last event.
 */
seq: number, 
/**
 * Whether everything after `after` follows.
 */
verdict: Verdict, };
export type Unsubscribe = { 
/**
 * What not to follow any more.
 */
topic: string, };
export type CommandGet = { 
/**
 * Which.
 */
command_id: CommandId, };
export type CommandSubmit = { 
/**
 * Where. May be left out when the project is named at the top of the frame.
 */
target?: Target, 
/**
 * What it asks for; `prompt` when not given.
 */
kind?: CommandKind, 
/**
 * What it carries.
 */
payload?: Payload, 
/**
 * What it means for the turn that is running; `queue` when not given.
 */
mode?: SendMode, 
/**
 * Makes a repetition harmless: the same key from the same device gives the first command
 * back. At most 128 bytes.
 */
key?: string, 
/**
 * How urgent it is.
 */
priority?: Priority, 
/**
 * Do not start before.
 */
not_before?: Timestamp, 
/**
 * Do not start after; 7 days from now when not given.
 */
expires_at?: Timestamp, 
/**
 * When it is tried again; never when not given.
 */
retry?: RetryPolicy, 
/**
 * Ordering key: commands of one project with the same key run one after the other, as they
 * were sent. The project's own when not given; with `not_before`, a key of its own.
 */
order?: string, 
/**
 * Held from the beginning.
 */
hold?: boolean, 
/**
 * When its sender gave it away, when that was before it could be sent.
 */
submitted_at?: Timestamp, };
export type CommandShow = { 
/**
 * Which.
 */
command_id: CommandId, };
export type CommandExplain = { 
/**
 * Which.
 */
command_id: CommandId, };
export type CommandExplainReply = { 
/**
 * The command.
 */
command: Command, 
/**
 * Why it does not go on; absent when it is being worked on, or over.
 */
waiting?: Waiting, 
/**
 * How it came to its runner, when it was sent to whichever fits.
 */
route?: Route, 
/**
 * The command it waits for, what that one waits for, and so on; nearest first.
 */
causes?: Array<Cause>, };
export type CommandCancel = { 
/**
 * Which.
 */
command_id: CommandId, };
export type CommandEdit = { 
/**
 * Which.
 */
command_id: CommandId, 
/**
 * The new payload, whole.
 */
payload?: Payload, 
/**
 * How urgent it is.
 */
priority?: Priority, 
/**
 * Do not start before.
 */
not_before?: Timestamp, 
/**
 * Do not start after.
 */
expires_at?: Timestamp, 
/**
 * When it is tried again.
 */
retry?: RetryPolicy, };
export type CommandMove = { 
/**
 * Which.
 */
command_id: CommandId, 
/**
 * To where.
 */
to: Place, };
export type CommandHold = { 
/**
 * A command.
 */
command_id?: CommandId, 
/**
 * A project.
 */
project_id?: ProjectId, 
/**
 * A runner.
 */
runner_id?: DeviceId, };
export type CommandRelease = { 
/**
 * A command.
 */
command_id?: CommandId, 
/**
 * A project.
 */
project_id?: ProjectId, 
/**
 * A runner.
 */
runner_id?: DeviceId, };
export type CommandHoldReply = { 
/**
 * Whether that changed anything.
 */
changed: boolean, };
export type HoldList = Record<symbol, never>;
export type HoldListReply = { 
/**
 * Holds of projects, runners and everything. Held commands say so themselves.
 */
holds: Array<Hold>, };
export type CommandRetry = { 
/**
 * Which; at most 1,000.
 */
command_ids?: Array<CommandId>, 
/**
 * Every dead one; of this project, when one is named.
 */
all_dead?: boolean, 
/**
 * See `all_dead`.
 */
project_id?: ProjectId, 
/**
 * For one command: the new payload, whole.
 */
payload?: Payload, };
export type CommandPurge = { 
/**
 * Which; at most 1,000.
 */
command_ids?: Array<CommandId>, 
/**
 * Every dead one; of this project, when one is named.
 */
all_dead?: boolean, 
/**
 * See `all_dead`.
 */
project_id?: ProjectId, };
export type CommandsReply = { 
/**
 * As they are now.
 */
commands: Array<Command>, 
/**
 * There are more: ask again.
 */
more: boolean, };
export type CommandResolve = { 
/**
 * Which.
 */
command_id: CommandId, 
/**
 * What became of it, or shall.
 */
resolution: Resolution, };
export type BlobGet = { 
/**
 * Its hash.
 */
hash: string, };
export type BlobGetReply = { 
/**
 * The whole text.
 */
text: string, };
export type CommandList = { 
/**
 * Only those of this project.
 */
project_id?: ProjectId, 
/**
 * Only those of this runner.
 */
runner_id?: DeviceId, 
/**
 * Only those that are not over, in the order they will run.
 */
waiting?: boolean, 
/**
 * Only those in this state.
 */
state?: CommandState, 
/**
 * Only those before this one in the list: the next page.
 */
before_id?: CommandId, 
/**
 * At most so many; 100 when not given, 1,000 at most.
 */
limit?: number, };
export type CommandListReply = { 
/**
 * The commands, newest first.
 */
commands: Array<Command>, };
export type ApprovalList = { 
/**
 * Only those of this project.
 */
project_id?: ProjectId, 
/**
 * Also those that are answered or withdrawn.
 */
all?: boolean, };
export type ApprovalListReply = { 
/**
 * The approvals, oldest first.
 */
approvals: Array<Approval>, };
export type ApprovalAnswer = { 
/**
 * Which.
 */
approval_id: ApprovalId, 
/**
 * Yes or no.
 */
behavior: Behavior, 
/**
 * With a yes: apply the rule the agent offered for the rest of the session.
 */
for_session?: boolean, 
/**
 * With a yes: these rules hold from now on, as the person wrote them.
 */
rules?: Array<PermissionRule>, 
/**
 * With a no: the reason, told to the agent.
 */
message?: string, 
/**
 * With a no: also end the turn.
 */
interrupt?: boolean, 
/**
 * To a question: the full text of each question and the label chosen (several joined by ", ").
 */
answers?: { [key in string]: string }, };
export type DeviceCreate = { 
/**
 * A name for lists.
 */
name: string, 
/**
 * What it is; `cli` when not given.
 */
kind?: DeviceKind, 
/**
 * What it may do; never more than its maker.
 */
scopes: Array<Scope>, 
/**
 * When its credential ends by itself.
 */
expires_at?: Timestamp, };
export type DeviceCreateReply = { 
/**
 * The device.
 */
device: Device, 
/**
 * Its credential. Shown once, here.
 */
token: string, };
export type DeviceList = Record<symbol, never>;
export type DeviceListReply = { 
/**
 * The devices, oldest first.
 */
devices: Array<Device>, };
export type DeviceRevoke = { 
/**
 * Which.
 */
device_id: DeviceId, };
export type DeviceRevokeOthers = { 
/**
 * Runners too.
 */
runners?: boolean, };
export type DeviceForget = { 
/**
 * Which.
 */
device_id: DeviceId, };
export type DeviceSetScopes = { 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * What it may do from now on; never more than the one who says so.
 */
scopes: Array<Scope>, 
/**
 * What whoever asks saw that it may do: refused when it may do something else by now.
 */
base_scopes?: Array<Scope>, };
export type DeviceRename = { 
/**
 * Which.
 */
device_id: DeviceId, 
/**
 * Its new name.
 */
name: string, };
export type RunnerSleep = Record<symbol, never>;
export type RunnerList = Record<symbol, never>;
export type RunnerListReply = { 
/**
 * The runners, oldest first.
 */
runners: Array<RunnerState>, };
export type DeviceLabel = { 
/**
 * Which device.
 */
device_id: DeviceId, 
/**
 * Its labels, all of them.
 */
labels?: Array<string>, 
/**
 * The labels whoever asks saw: refused when it has others by now.
 */
base_labels?: Array<string>, 
/**
 * Its rank among others when work is placed by order: greater is asked first. 0 is usual.
 */
priority?: number, };
export type DeviceBroadcast = { 
/**
 * What it says: any JSON of at most 16 KiB.
 */
body: unknown, 
/**
 * Keep it for those who do not listen.
 */
hold?: boolean, 
/**
 * How long it is kept, in milliseconds; a day when left out, seven days at most.
 */
expires_in_ms?: number, 
/**
 * Makes a repetition harmless: with the same id each device gets the same message, under an
 * id of its own.
 */
message_id?: MessageId, };
export type DeviceBroadcastReply = { 
/**
 * What became of it, device by device, oldest first.
 */
receivers: Array<Receiver>, };
export type Receiver = { 
/**
 * The device.
 */
to: DeviceId, 
/**
 * Its name.
 */
name: string, 
/**
 * The message to it.
 */
id: MessageId, 
/**
 * How far it is; absent when it did not get there.
 */
state?: MessageState, 
/**
 * Why it did not.
 */
error?: ErrorBody, };
export type DeviceLink = { 
/**
 * What the new device may do; what its maker may do when not given, never more.
 */
scopes?: Array<Scope>, };
export type DeviceLinkReply = { 
/**
 * The pairing it is.
 */
pairing_id: PairingId, 
/**
 * The secret. Behind `#pair=` at the server's address it makes the link; it never goes
 * into a query. Shown once, here.
 */
secret: string, 
/**
 * SHA-256 of the server's key, in hexadecimal: the new device accepts no other server.
 */
server_fingerprint: string, 
/**
 * When it ends.
 */
expires_at: Timestamp, };
export type DevicePairStart = { 
/**
 * The name the new device will have; its own when not given.
 */
name?: string, 
/**
 * What it may do; never more than its maker. A runner has the scope `runner` alone.
 */
scopes: Array<Scope>, };
export type DevicePairStartReply = { 
/**
 * The pairing.
 */
pairing: Pairing, 
/**
 * For the QR code. Shown once, here.
 */
secret: string, 
/**
 * For typing. Shown once, here.
 */
code: string, 
/**
 * SHA-256 of the server's key, in hexadecimal: the new device accepts no other server.
 */
server_fingerprint: string, };
export type DevicePairStatus = { 
/**
 * Which.
 */
pairing_id: PairingId, };
export type DevicePairList = Record<symbol, never>;
export type DevicePairListReply = { 
/**
 * The pairings, oldest first.
 */
pairings: Array<Pairing>, };
export type DevicePairDecide = { 
/**
 * Which.
 */
pairing_id: PairingId, 
/**
 * Whether the device that came is let in.
 */
approve: boolean, 
/**
 * The two digits the new device shows; needed to let it in.
 */
digits?: string, };
export type AuditList = { 
/**
 * Only entries before this number; the newest of them, when not given.
 */
before?: number, 
/**
 * At most so many; 100 when not given, 1,000 at most.
 */
limit?: number, };
export type AuditListReply = { 
/**
 * The entries, oldest first.
 */
records: Array<AuditRecord>, };
export type AuditVerify = { 
/**
 * The entry with this number must have the hash that follows.
 */
number?: number, 
/**
 * See `number`; in hexadecimal, as an earlier check gave it.
 */
hash?: string, };
export type StateGet = { 
/**
 * Only this register.
 */
key?: string, 
/**
 * Only what changed after this version, deleted registers too. All that exist when not
 * given. A copy older than 90 days asks for all.
 */
after?: number, };
export type StateGetReply = { 
/**
 * The registers in the order they were changed.
 */
registers: Array<StateRegister>, 
/**
 * There are more: ask again after the last version.
 */
more: boolean, 
/**
 * Changes are told here as `state_changed`. Follow it first, then ask.
 */
topic: string, 
/**
 * The device that asks: what it prefers is in `pref:device/<id>`.
 */
device_id?: DeviceId, };
export type StateSet = { 
/**
 * Which register.
 */
key: string, 
/**
 * The version the writer knows; 0 for a register it knows to be new. A write that knows
 * the present one replaces it; any other is merged by the class of the key.
 */
base_version?: number, 
/**
 * What it shall hold; deletes when left out.
 */
value?: unknown, 
/**
 * When it was written; the server's present when left out. The same write sent again has
 * the same, and is done once.
 */
hlc?: Hlc, };
export type StateSetReply = { 
/**
 * What became of it.
 */
verdict: StateVerdict, 
/**
 * The register as it is now.
 */
register: StateRegister, };
export type HandoffGet = Record<symbol, never>;
export type HandoffTake = { 
/**
 * The version this screen knows. When another has taken it since, this is refused with
 * CONFLICT and the state as it is.
 */
from_version: number, 
/**
 * This screen, by an id of its own choice that it keeps: after its connection was lost it
 * takes the focus again by the same.
 */
screen: ReplicaId, 
/**
 * What it shows; what was shown before when left out.
 */
focus?: Focus, };
export type HandoffMove = { 
/**
 * The screen that holds the focus.
 */
screen: ReplicaId, 
/**
 * What it shows now.
 */
focus: Focus, };
export type HandoffOffer = { 
/**
 * The screen that holds the focus.
 */
screen: ReplicaId, 
/**
 * The device that shall go on.
 */
to: DeviceId, };
export type HandoffRelease = { 
/**
 * The screen that holds the focus.
 */
screen: ReplicaId, };
export type DeviceMessageSend = { 
/**
 * The receiver, a device of the same org.
 */
to?: DeviceId, 
/**
 * Instead of `to`: whichever runner this is true of; one that listens before others, then
 * the least busy.
 */
selector?: string, 
/**
 * What it says: any JSON of at most 16 KiB.
 */
body: unknown, 
/**
 * Keep it while the receiver does not listen. Without this it is refused then.
 */
hold?: boolean, 
/**
 * How long it is kept, in milliseconds; a day when left out, seven days at most.
 */
expires_in_ms?: number, 
/**
 * Makes a repetition harmless: the same id is the same message.
 */
message_id?: MessageId, };
export type DeviceInbox = Record<symbol, never>;
export type DeviceMessageAck = { 
/**
 * Which message.
 */
message_id: MessageId, };
export type DevicePresenceAsk = Record<symbol, never>;
export type DevicePresenceReply = { 
/**
 * The devices, oldest first.
 */
devices: Array<DevicePresence>, 
/**
 * Changes are told here as `device_presence`.
 */
topic: string, };
export type PushKey = Record<symbol, never>;
export type PushKeyReply = { 
/**
 * The server's public key, which a browser subscribes with (base64url).
 */
public_key: string, };
export type PushSubscribe = { 
/**
 * The address the browser's push service gave it.
 */
endpoint: string, 
/**
 * The keys that go with it.
 */
keys: PushKeys, 
/**
 * What the device wants to be told; what it was, when left out.
 */
settings?: PushSettings, };
export type PushUnsubscribe = Record<symbol, never>;
export type PushSettingsAsk = { 
/**
 * What the device wants to be told from now on; when left out, this only asks.
 */
settings?: PushSettings, };
export type PushTest = Record<symbol, never>;
export type PushLog = { 
/**
 * At most so many; 100 are kept.
 */
limit?: number, };
export type PushLogReply = { 
/**
 * What was sent to this device, newest first.
 */
deliveries: Array<PushDelivery>, };
export type DeviceLooking = { 
/**
 * Whether somebody sees the screen behind this connection.
 */
visible: boolean, };
export type MessageSearch = { 
/**
 * Only messages whose text contains this, in any case of letters. Empty: every message.
 */
text?: string, 
/**
 * Only in these projects; in all of the org when not given.
 */
project_ids?: Array<ProjectId>, 
/**
 * Only messages of this kind.
 */
kind?: MessageKind, 
/**
 * Only messages of this direction.
 */
direction?: Direction, 
/**
 * Where to go on: `before` of the last reply, with everything else as it was.
 */
before?: string, 
/**
 * At most so many; 100 when not given, 1,000 at most.
 */
limit?: number, };
export type MessageSearchReply = { 
/**
 * What fits, the newest first, each an `agent_message` with `project_id` and `seq`.
 */
messages: Array<FoundMessage>, 
/**
 * Not everything was looked through: ask again with `before`. Also with no message at all,
 * since what is looked through for one reply is bounded.
 */
more: boolean, 
/**
 * Where to go on, when there is more.
 */
before?: string, 
/**
 * Everything newer than this was looked through, when there is more.
 */
reached?: Timestamp, 
/**
 * Parts on the way that can't be read.
 */
gaps: Array<SearchGap>, };
export type SearchGap = { 
/**
 * The project.
 */
project_id: ProjectId, 
/**
 * Number of the first of them.
 */
first: number, 
/**
 * Number of the last of them.
 */
last: number, };
export type SessionList = { 
/**
 * Only those of this project.
 */
project_id?: ProjectId, 
/**
 * Only those that were used before this one was.
 */
before_id?: SessionId, 
/**
 * At most so many; 100 when not given, 1,000 at most.
 */
limit?: number, };
export type SessionListReply = { 
/**
 * The sessions, without what their agents announced.
 */
sessions: Array<Session>, 
/**
 * There are more.
 */
more: boolean, };
export type SessionGet = { 
/**
 * Which.
 */
session_id: SessionId, };
export type SessionMove = { 
/**
 * Which.
 */
session_id: SessionId, 
/**
 * The project it goes on in, on whatever runner.
 */
to: ProjectId, };
export type SessionMoveReply = { 
/**
 * Which.
 */
session_id: SessionId, 
/**
 * The project it was in.
 */
from: ProjectId, 
/**
 * The project the next prompt continues it in.
 */
to: ProjectId, 
/**
 * The commit both are at.
 */
commit: string, };

/** Each request with the type of its data and of its reply. */
export interface Requests {
  project_create: { data: ProjectCreate; reply: Project };
  project_list: { data: ProjectList; reply: ProjectListReply };
  project_get: { data: ProjectGet; reply: Project };
  project_update: { data: ProjectUpdate; reply: Project };
  project_delete: { data: ProjectDelete; reply: Empty };
  project_join: { data: ProjectJoin; reply: ProjectJoinReply };
  project_leave: { data: ProjectLeave; reply: Empty };
  execute: { data: Execute; reply: Command };
  agent_new_session: { data: AgentNewSession; reply: AgentNewSessionReply };
  agent_kill: { data: AgentKill; reply: AgentKillReply };
  agent_interrupt: { data: AgentInterrupt; reply: Empty };
  agent_set_mode: { data: AgentSetMode; reply: Empty };
  get_messages: { data: GetMessages; reply: GetMessagesReply };
  message_search: { data: MessageSearch; reply: MessageSearchReply };
  health_check: { data: HealthCheckAsk; reply: HealthCheck };
  subscribe: { data: Subscribe; reply: SubscribeReply };
  unsubscribe: { data: Unsubscribe; reply: Empty };
  command_submit: { data: CommandSubmit; reply: Command };
  command_get: { data: CommandGet; reply: Command };
  command_show: { data: CommandShow; reply: CommandDetail };
  command_list: { data: CommandList; reply: CommandListReply };
  command_explain: { data: CommandExplain; reply: CommandExplainReply };
  command_cancel: { data: CommandCancel; reply: Command };
  command_edit: { data: CommandEdit; reply: Command };
  command_move: { data: CommandMove; reply: Command };
  command_hold: { data: CommandHold; reply: CommandHoldReply };
  command_release: { data: CommandRelease; reply: CommandHoldReply };
  hold_list: { data: HoldList; reply: HoldListReply };
  command_retry: { data: CommandRetry; reply: CommandsReply };
  command_purge: { data: CommandPurge; reply: CommandsReply };
  command_resolve: { data: CommandResolve; reply: Command };
  blob_get: { data: BlobGet; reply: BlobGetReply };
  session_list: { data: SessionList; reply: SessionListReply };
  session_get: { data: SessionGet; reply: Session };
  session_move: { data: SessionMove; reply: SessionMoveReply };
  approval_list: { data: ApprovalList; reply: ApprovalListReply };
  approval_answer: { data: ApprovalAnswer; reply: Approval };
  device_create: { data: DeviceCreate; reply: DeviceCreateReply };
  device_list: { data: DeviceList; reply: DeviceListReply };
  device_link: { data: DeviceLink; reply: DeviceLinkReply };
  device_revoke: { data: DeviceRevoke; reply: Device };
  device_revoke_others: { data: DeviceRevokeOthers; reply: DeviceListReply };
  device_forget: { data: DeviceForget; reply: Device };
  device_set_scopes: { data: DeviceSetScopes; reply: Device };
  device_rename: { data: DeviceRename; reply: Device };
  device_label: { data: DeviceLabel; reply: Device };
  device_pair_start: { data: DevicePairStart; reply: DevicePairStartReply };
  device_pair_status: { data: DevicePairStatus; reply: Pairing };
  device_pair_list: { data: DevicePairList; reply: DevicePairListReply };
  device_pair_decide: { data: DevicePairDecide; reply: Pairing };
  audit_list: { data: AuditList; reply: AuditListReply };
  audit_verify: { data: AuditVerify; reply: AuditCheck };
  state_get: { data: StateGet; reply: StateGetReply };
  state_set: { data: StateSet; reply: StateSetReply };
  handoff_get: { data: HandoffGet; reply: Handoff };
  handoff_take: { data: HandoffTake; reply: Handoff };
  handoff_move: { data: HandoffMove; reply: Handoff };
  handoff_offer: { data: HandoffOffer; reply: Handoff };
  handoff_release: { data: HandoffRelease; reply: Handoff };
  device_message: { data: DeviceMessageSend; reply: MessageStatus };
  device_broadcast: { data: DeviceBroadcast; reply: DeviceBroadcastReply };
  device_inbox: { data: DeviceInbox; reply: Empty };
  device_message_ack: { data: DeviceMessageAck; reply: Empty };
  device_presence: { data: DevicePresenceAsk; reply: DevicePresenceReply };
  device_looking: { data: DeviceLooking; reply: Empty };
  push_key: { data: PushKey; reply: PushKeyReply };
  push_subscribe: { data: PushSubscribe; reply: PushState };
  push_unsubscribe: { data: PushUnsubscribe; reply: PushState };
  push_settings: { data: PushSettingsAsk; reply: PushState };
  push_test: { data: PushTest; reply: PushDelivery };
  push_log: { data: PushLog; reply: PushLogReply };
  runner_sleep: { data: RunnerSleep; reply: Empty };
  runner_list: { data: RunnerList; reply: RunnerListReply };
  runner_hello: { data: RunnerHello; reply: RunnerWelcome };
  runner_beat: { data: RunnerBeat; reply: Empty };
  runner_records: { data: RunnerRecords; reply: Acknowledged };
  runner_blob: { data: RunnerBlob; reply: RunnerBlobPart };
  runner_partial: { data: RunnerPartial; reply: Empty };
}

/** Reads Chromium's traces. */

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  /** Time on the processor, in microseconds: what other programs take meanwhile does not count. */
  tdur?: number;
  args: { name?: string };
}

/** The longest single task of any page's main thread. **Errors**: a trace without tasks. */
export function longestTaskMs(trace: Buffer): number {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid}/${tid}`;
  const main = traceEvents.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain");
  const threads = new Set(main.map(threadOf));
  const tasks = traceEvents.filter((event) => event.name.endsWith("RunTask") && event.tdur !== undefined && threads.has(threadOf(event)));
  if (tasks.length === 0) throw new Error("the trace holds no task of a page");
  return Math.max(...tasks.map((task) => (task.tdur ?? 0) / 1000));
}

/** The files of the app in place of the server, with a service worker that is a newer one. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname } from "node:path";

const FREE_WITHIN_MS = 10_000;
const TYPES: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png" };

export async function serveNewer({ hostname, port }: URL): Promise<{ stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = request.url === "/" ? "/index.html" : (request.url ?? "");
    const file = fileOf(path);
    if (file === undefined) return void response.writeHead(404).end();
    const newer = path === "/sw.js" ? Buffer.concat([file, Buffer.from("\n// newer")]) : file;
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html" }).end(newer);
  });
  await listening(server, Number(port), hostname);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The address was the server's a moment ago; the system may need another to give it back. */
async function listening(server: Server, port: number, host: string): Promise<void> {
  const until = Date.now() + FREE_WITHIN_MS;
  for (;;) {
    server.listen(port, host);
    const failed = await once(server, "listening").then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failed === undefined) return;
    if (Date.now() > until) throw failed;
  }
}

function fileOf(path: string): Buffer | undefined {
  try {
    return readFileSync(new URL(`../dist${path}`, import.meta.url));
  } catch {
    return undefined;
  }
}

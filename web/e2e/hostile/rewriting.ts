/** Stands between page and server and puts other words into the server's mouth. */
import type { Page } from "@playwright/test";
import { DEEP, DEEP_JSON } from "./attacks";

export type Data = Record<string, any>;
/** Gives the reply of a request as the page shall see it. What it makes up of projects has ids of `MADE_UP` and a number. */
export type Rewrite = (type: string, data: Data) => unknown;

/** No project of a server. */
export const MADE_UP = "p-";

export async function rewriting(page: Page, rewrite: Rewrite): Promise<void> {
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { id?: string; type: string; data: Data };
      if (frame.id !== undefined && frame.type !== "error") frame.data = rewrite(frame.type, frame.data) as Data;
      socket.send(JSON.stringify(frame).replaceAll(JSON.stringify(DEEP), DEEP_JSON));
    });
    socket.onMessage((text) => {
      const { id, type, data } = JSON.parse(String(text)) as { id: string; type: string; data: Data };
      const isMadeUp = type === "subscribe" && data["topic"].startsWith(`project:${MADE_UP}`);
      if (isMadeUp) socket.send(JSON.stringify({ type, id, data: { topic: data["topic"], seq: 0, verdict: "ok" } }));
      else server.send(text);
    });
  });
}

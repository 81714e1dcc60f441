/** Stands between page and server and puts other words into the server's mouth. */
import type { Page } from "@playwright/test";
import { DEEP, DEEP_JSON } from "./attacks";

export type Data = Record<string, any>;
/** Gives the reply of a request as the page shall see it. */
export type Rewrite = (type: string, data: Data) => unknown;

export async function rewriting(page: Page, rewrite: Rewrite): Promise<void> {
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { id?: string; type: string; data: Data };
      if (frame.id !== undefined && frame.type !== "error") frame.data = rewrite(frame.type, frame.data) as Data;
      socket.send(JSON.stringify(frame).replaceAll(JSON.stringify(DEEP), DEEP_JSON));
    });
  });
}

import { addProject, anyWidth, expect, test } from "./harness";
import { expectSound } from "./sound";

const ROUTE = {
  wish: { selector: "os = 'linux' and labels has 'gpu'", mode: "best" },
  placed: true,
  decisions: [
    {
      at: "2026-01-01T00:00:00Z",
      cause: "submitted",
      reason: "the one of two taken by chance with less to do",
      considered: 3,
      fitted: 2,
      candidates: [
        { runner: "box", verdict: "chosen", reason: "connected, with a free slot" },
        { runner: "old\u202ebox", verdict: "rejected", reason: "has no label gpu" },
      ],
    },
  ],
};

test("a command that was sent to any machine tells how its machine was chosen", anyWidth, async ({ paired: page, afield, shot }) => {
  await addProject(page, afield, "demo");
  const sent = await afield.cli("run", "-p", `${afield.folder}/demo`, "--detach", "--json", "hello");
  // The server's answer, with what a server that routes adds to it.
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      const frame = JSON.parse(String(message)) as { type: string; data: object };
      socket.send(frame.type === "command_show" ? JSON.stringify({ ...frame, data: { ...frame.data, route: ROUTE } }) : message);
    });
  });
  await page.goto(`${afield.url}/queue/${(JSON.parse(sent) as { command_id: string }).command_id}`);
  await expect(page.getByRole("heading", { name: "How its machine was chosen" })).toBeVisible();
  await expect(page.getByText("2 of 3 fitted")).toBeVisible();
  await expect(page.getByText("connected, with a free slot")).toBeVisible();
  await expect(page.getByTitle("a hidden character")).toHaveText("RLO");
  await expectSound(page);
  await page.getByText("connected, with a free slot").scrollIntoViewIfNeeded();
  await shot("command-route");
});

/** Icons: lines on a grid of 24, in the colour of the text beside them. */
export const ICONS = {
  inbox: "M3 13l3-8h12l3 8v6H3zM3 13h5l1.5 3h5L16 13h5",
  folder: "M3 6.5A1.5 1.5 0 0 1 4.5 5H9l2 2.5h8.5A1.5 1.5 0 0 1 21 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z",
  queue: "M4 6h16M4 12h16M4 18h10",
  machine: "M4 5h16v11H4zM9 20h6M12 16v4",
  plus: "M12 5v14M5 12h14",
  more: "M5 11.4a.6.6 0 1 0 0 1.2a.6.6 0 1 0 0-1.2M12 11.4a.6.6 0 1 0 0 1.2a.6.6 0 1 0 0-1.2M19 11.4a.6.6 0 1 0 0 1.2a.6.6 0 1 0 0-1.2",
  send: "M12 19V6M6 11.5l6-6 6 6",
  stop: "M7 7h10v10H7z",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  down: "M6 9l6 6 6-6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7.5V12l3 2",
  close: "M6 6l12 12M18 6L6 18",
  alert: "M12 4l9 16H3zM12 10v4M12 17h.01",
  offline: "M3 3l18 18M8.5 15.5a5 5 0 0 1 6.5-.500M5 12a10 10 0 0 1 4-2.400M19 12a10 10 0 0 0-6-2.900M12 19h.01",
  refresh: "M20 11a8 8 0 0 0-14-4L4 9M4 4v5h5M4 13a8 8 0 0 0 14 4l2-2M20 20v-5h-5",
  tool: "M14 6.5a4 4 0 0 1 5-2.5l-2.5 2.5.5 1.5 1.5.5L21 6a4 4 0 0 1-5.5 5L8 18.5A2 2 0 0 1 5.5 16L13 8.5A4 4 0 0 1 14 6.5",
  terminal: "M5 7l5 5-5 5M12 17h7",
  key: "M8 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 12h9v3M17 12v2.5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  sprout: "M12 20v-8M12 12c0-4-2.5-6-7-6 0 4.5 2.5 6.5 7 6M12 14c0-4 2.5-6 7-6 0 4.5-2.5 6.5-7 6",
} as const;

export type IconName = keyof typeof ICONS;

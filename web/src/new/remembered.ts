/** The last choices of this device, on its own disk. */
import * as disk from "../disk/disk";
import { type Choice, FRESH, type Kept, kept } from "./choice";

const KEY = "new";

export async function remembered(): Promise<Choice> {
  const found = await disk.get<Partial<Kept>>("settings", KEY);
  return { ...FRESH, ...found, wish: { ...FRESH.wish, ...found?.wish } };
}

export function remember(choice: Choice): Promise<void> {
  return disk.put("settings", KEY, kept(choice));
}

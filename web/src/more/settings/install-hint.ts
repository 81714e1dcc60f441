/** How this browser puts the app on its home screen, in words; nothing where that is done or impossible. Pure. */
export interface Surroundings {
  /** It runs from the home screen already. */
  readonly standalone: boolean;
  /** The browser offered to do it. */
  readonly offered: boolean;
  readonly userAgent: string;
}

export function installHint({ standalone, offered, userAgent }: Surroundings): string | undefined {
  if (standalone) return undefined;
  if (offered) return "It opens like an app, without the browser around it, and keeps opening without a network.";
  if (/iPhone|iPad/.test(userAgent)) return "Tap Share, then “Add to Home Screen”. On iPhone and iPad, only the installed app can notify you.";
  if (/Android/.test(userAgent)) return "Open the browser's menu and choose “Add to Home screen”.";
  return undefined;
}

/** The number on the icon of the installed app, where the platform has that. */
export function showOnIcon(count: number): void {
  // Refused to a page that is not installed: there is no icon then.
  if (count > 0) void navigator.setAppBadge?.(count).catch(() => {});
  else void navigator.clearAppBadge?.().catch(() => {});
}

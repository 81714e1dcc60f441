/** How the app looks on this device: kept here, since it belongs to the screen. */
export type Theme = "system" | "light" | "dark";
export type Text = "normal" | "large";

const KEY = "afield.appearance";

class Appearance {
  theme = $state<Theme>("system");
  text = $state<Text>("normal");

  /** Before the first picture, so that nothing flashes. */
  apply(): void {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as { theme?: Theme; text?: Text };
    this.theme = kept.theme ?? "system";
    this.text = kept.text ?? "normal";
    this.#show();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#keep();
  }

  setText(text: Text): void {
    this.text = text;
    this.#keep();
  }

  #keep(): void {
    localStorage.setItem(KEY, JSON.stringify({ theme: this.theme, text: this.text }));
    this.#show();
  }

  #show(): void {
    const { dataset } = document.documentElement;
    dataset["theme"] = this.theme;
    dataset["text"] = this.text;
  }
}

export const appearance = new Appearance();

/** What is read by the camera, and what is said when it can't be. Pure but for `detectorHere`. */
import { fromTyped, type Invitation } from "./pairing-link";

export interface Detector {
  detect(picture: CanvasImageSource): Promise<{ rawValue: string }[]>;
}

interface Detectors {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

/** The browser's own reader of QR codes, where it has one and a camera may be asked for. */
export async function detectorHere(): Promise<Detector | undefined> {
  const Detectors = (globalThis as { BarcodeDetector?: Detectors }).BarcodeDetector;
  if (!Detectors || !navigator.mediaDevices) return undefined;
  const formats = await Detectors.getSupportedFormats().catch((): string[] => []);
  return formats.includes("qr_code") ? new Detectors({ formats: ["qr_code"] }) : undefined;
}

/** Other codes in the picture are passed over. */
export function firstInvitation(found: readonly { rawValue: string }[]): Invitation | undefined {
  for (const { rawValue } of found) {
    const invitation = fromTyped(rawValue);
    if (invitation) return invitation;
  }
  return undefined;
}

export function cameraProblem(error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "This page may not use the camera. Allow it in the browser's settings for this address, or type the code.";
  if (name === "NotFoundError") return "This device has no camera. Type the code instead.";
  return "The camera can't be used now; another program may have it. Type the code instead.";
}

/** The way of a command from a person's hand to its end, step by step. Pure. */
import type { ChainStep, CommandDetail, Device, DeviceId } from "../generated/protocol";

export interface Step {
  readonly name: string;
  readonly at: string | undefined;
  readonly by: string | undefined;
}

const STEPS: readonly (readonly [ChainStep, string])[] = [
  ["submitted", "Sent"],
  ["accepted", "On the server's disk"],
  ["leased", "Given to the machine"],
  ["consumed", "The agent has it"],
  ["finished", "Ended"],
];

/** Every step there is, also those that did not happen (yet); of one that happened, when and by whom. */
export function stepsOf({ chain }: Pick<CommandDetail, "chain">, devices: ReadonlyMap<DeviceId, Device>, own: DeviceId): Step[] {
  return STEPS.map(([step, name]) => {
    const link = chain.findLast((one) => one.step === step);
    const by = link?.by === undefined ? undefined : link.by === own ? "this device" : (devices.get(link.by)?.name ?? "a device that is gone");
    return { name, at: link?.at, by: link && (by ?? "the server") };
  });
}

import { useEffect, useRef, useState, type RefObject } from "react";

import { headingOf, type Heading } from "./heading";

const REDRAW_MS = 100;

interface Asks {
  requestPermission?: () => Promise<string>;
}

/** iOS asks whether a page may know how the device is held; it must be called by a press. */
export async function askForOrientation(): Promise<void> {
  if (typeof DeviceOrientationEvent === "undefined") return;
  await (DeviceOrientationEvent as Asks).requestPermission?.().catch(() => undefined); // without it there is no ring
}

/** Where the camera at the back looks: the newest value for whoever takes a photograph, a slower one to be drawn. */
export function useHeading(on: boolean): [RefObject<Heading | null>, Heading | null] {
  const newest = useRef<Heading | null>(null);
  const [drawn, setDrawn] = useState<Heading | null>(null);
  useEffect(() => {
    if (!on) return;
    const listen = ({ alpha, beta, gamma }: DeviceOrientationEvent) => {
      if (alpha !== null && beta !== null && gamma !== null) newest.current = headingOf(alpha, beta, gamma);
    };
    addEventListener("deviceorientation", listen);
    const timer = setInterval(() => setDrawn(newest.current), REDRAW_MS);
    return () => {
      removeEventListener("deviceorientation", listen);
      clearInterval(timer);
    };
  }, [on]);
  return [newest, drawn];
}

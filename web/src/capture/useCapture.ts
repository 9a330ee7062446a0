import { useEffect, useRef, useState, type RefObject } from "react";

import { session } from "../api/session";
import { useUploads } from "../uploads/context";
import { openCamera } from "./camera";
import type { Hint } from "./chooser";
import { deliver, endCapture } from "./deliver";
import type { Heading } from "./heading";
import { photographing } from "./photographing";
import { keepCapture, keepPhoto } from "./photos";
import { askForOrientation, useHeading } from "./useHeading";

const FLASH_MS = 200;

export type CaptureState = "idle" | "starting" | "running" | "ended";

export interface Capturing {
  state: CaptureState;
  hint: Hint;
  headings: readonly Heading[];
  heading: Heading | null;
  count: number;
  /** The last photograph, to be found again. */
  last: Blob | null;
  flash: boolean;
  setId: string | null;
  error: unknown;
  start: () => void;
  shoot: () => void;
  end: () => void;
}

/** Photographs that a camera takes by itself; they are kept by the browser, and sent while there is a network. */
export function useCapture(video: RefObject<HTMLVideoElement | null>, name: string, into: string | null): Capturing {
  const uploads = useUploads();
  const [state, setState] = useState<CaptureState>("idle");
  const [hint, setHint] = useState<Hint>("begin");
  const [headings, setHeadings] = useState<readonly Heading[]>([]);
  const [count, setCount] = useState(0);
  const [last, setLast] = useState<Blob | null>(null);
  const [flash, setFlash] = useState(false);
  const [setId, setSetId] = useState(into);
  const [error, setError] = useState<unknown>(null);
  const [id] = useState(() => `${Date.now()}-${Math.round(Math.random() * 1e9)}`);
  const [newest, heading] = useHeading(state === "running");
  const stream = useRef<MediaStream | null>(null);
  const wanted = useRef(false); // a photograph, by hand

  const send = async () => {
    if (session.state() !== "in") return;
    const known = await deliver(id, uploads);
    if (known) setSetId(known);
  };
  const take = async (content: Blob, number: number) => {
    if (number === 1) await keepCapture({ id, name, setId: into, begun_ms: Date.now(), ended: false });
    await keepPhoto({ captureId: id, name: `${String(number).padStart(4, "0")}.jpg`, content, heading: newest.current });
    if (newest.current) setHeadings((before) => (newest.current ? [...before, newest.current] : before));
    setCount(number);
    setLast(content);
    setFlash(true);
    setTimeout(() => setFlash(false), FLASH_MS);
    navigator.vibrate?.(20);
    void send().catch(() => undefined); // offline: they are sent later
  };

  useEffect(() => {
    if (state !== "running" || !video.current || !stream.current) return;
    const stop = photographing(video.current, stream.current, {
      hint: setHint,
      isWanted: () => wanted.current,
      async take(content, number) {
        wanted.current = false;
        await take(content, number);
      },
      failed(failure) {
        setError(failure); // no room on the device, say
        setState("ended");
      },
    });
    const awake = navigator.wakeLock?.request("screen").catch(() => null);
    return () => {
      stop();
      void awake?.then((lock) => lock?.release());
    };
  }, [state]);

  useEffect(() => {
    const again = () => void send().catch(() => undefined);
    if (state === "ended") void endCapture(id).then(again);
    addEventListener("online", again);
    const end = session.subscribe(() => session.state() === "in" && again());
    return () => {
      removeEventListener("online", again);
      end();
    };
  }, [state]);

  return {
    state, hint, headings, heading, count, last, flash, setId, error,
    start() {
      setState("starting");
      setError(null);
      void navigator.storage?.persist?.();
      Promise.all([openCamera(), askForOrientation()]).then(
        ([opened]) => {
          stream.current = opened;
          setState("running");
        },
        (failure: unknown) => {
          setError(failure);
          setState("idle");
        },
      );
    },
    shoot: () => void (wanted.current = true),
    end: () => setState("ended"),
  };
}

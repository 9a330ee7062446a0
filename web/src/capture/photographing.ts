import { FrameReader, photographOf } from "./camera";
import { Chooser, type Frame, type Hint } from "./chooser";

const STEP_MS = 100;

interface Photographer {
  hint: (hint: Hint) => void;
  /** Whether somebody wants a photograph now, whatever the frame is like. */
  isWanted: () => boolean;
  take: (content: Blob, number: number) => Promise<void>;
  failed: (error: unknown) => void;
}

/** Shows a camera and takes photographs of it, until what it returns is called. */
export function photographing(video: HTMLVideoElement, stream: MediaStream, photographer: Photographer): () => void {
  video.srcObject = stream;
  void video.play();
  const [reader, chooser] = [new FrameReader(video), new Chooser()];
  let number = 0;
  const step = async (frame: Frame) => {
    const seen = chooser.see(frame);
    photographer.hint(seen.hint);
    if (!seen.take && !photographer.isWanted()) return;
    if (!seen.take) chooser.taken(frame);
    await photographer.take(await photographOf(video), ++number);
  };
  const stop = everyStep(async () => {
    const frame = reader.read(performance.now());
    if (frame) await step(frame);
  }, photographer.failed);
  return () => {
    stop();
    stream.getTracks().forEach((track) => track.stop());
  };
}

/** Calls `work` ten times a second, never twice at once; returns what ends that. */
function everyStep(work: () => Promise<void>, failed: (error: unknown) => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let going = true;
  const next = async () => {
    const begun = performance.now();
    try {
      await work();
    } catch (error) {
      if (going) failed(error);
      return;
    }
    if (going) timer = setTimeout(() => void next(), Math.max(0, STEP_MS - (performance.now() - begun)));
  };
  void next();
  return () => {
    going = false;
    clearTimeout(timer);
  };
}

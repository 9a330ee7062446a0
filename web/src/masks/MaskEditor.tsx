import { useRef, useState, type PointerEvent } from "react";
import { Radio, RadioGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { Button, uiStyles } from "../ui";
import type { MaskCanvas } from "./finder";
import styles from "./masks.module.css";
import { MaskView } from "./MaskView";

const SIZES = [0.03, 0.06, 0.12]; // of the longer side

interface MaskEditorProps {
  name: string;
  image: ImageBitmap;
  mask: MaskCanvas | null;
  /** Null: the whole photograph is used. */
  onChange: (mask: MaskCanvas | null) => void;
  onClose: () => void;
}

/** Draws on the mask of one photograph with a brush. */
export function MaskEditor({ name, image, mask, onChange, onClose }: MaskEditorProps) {
  const { t } = useTranslation();
  const [brush, setBrush] = useState<"keep" | "drop">("drop");
  const [size, setSize] = useState(1);
  const [revision, setRevision] = useState(0);
  const last = useRef<{ x: number; y: number } | null>(null);
  const stroke = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const drawnOn = mask ?? wholeOf(image);
    const [scaleX, scaleY] = [drawnOn.width / box.width, drawnOn.height / box.height];
    const to = { x: (event.clientX - box.left) * scaleX, y: (event.clientY - box.top) * scaleY };
    const context = drawnOn.getContext("2d");
    if (!context) return;
    context.globalCompositeOperation = brush === "keep" ? "source-over" : "destination-out";
    context.lineCap = "round";
    context.strokeStyle = "#fff";
    context.lineWidth = (SIZES[size] ?? 0.06) * Math.max(drawnOn.width, drawnOn.height);
    context.beginPath();
    context.moveTo((last.current ?? to).x, (last.current ?? to).y);
    context.lineTo(to.x, to.y + 0.01); // a press draws a dot
    context.stroke();
    last.current = to;
    setRevision((before) => before + 1);
    if (drawnOn !== mask) onChange(drawnOn);
  };
  return (
    <section className="stack" aria-label={name}>
      <div
        className={styles.canvas}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          stroke(event);
        }}
        onPointerMove={(event) => event.buttons === 1 && stroke(event)}
        onPointerUp={() => (last.current = null)}
      >
        <MaskView image={image} mask={mask} label={name} revision={revision} />
      </div>
      <div className="row">
        <RadioGroup className={uiStyles.toggles ?? ""} aria-label={t("masks.brush")} orientation="horizontal" value={brush} onChange={(value) => setBrush(value as "keep")}>
          {(["drop", "keep"] as const).map((each) => (
            <Radio key={each} value={each} className={uiStyles.toggle ?? ""}>
              {t(`masks.${each}`)}
            </Radio>
          ))}
        </RadioGroup>
        <label className="row small">
          {t("masks.size")}
          <input type="range" min={0} max={SIZES.length - 1} value={size} onChange={(event) => setSize(Number(event.target.value))} />
        </label>
        <Button isDisabled={mask === null} onPress={() => onChange(null)}>
          {t("masks.whole")}
        </Button>
        <Button kind="primary" onPress={onClose}>
          {t("masks.ready")}
        </Button>
      </div>
    </section>
  );
}

function wholeOf({ width, height }: ImageBitmap): MaskCanvas {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  }
  return canvas;
}

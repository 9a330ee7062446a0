import { useTranslation } from "react-i18next";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

const PRECISE = { maximumSignificantDigits: 4 };

export interface Format {
  number: (value: number) => string;
  percent: (share: number) => string;
  bytes: (value: number) => string;
  duration: (seconds: number) => string;
  moment: (iso: string) => string;
  day: (date: Date) => string;
  /** Four significant digits. */
  precise: (value: number) => string;
  metres: (value: number) => string;
  degrees: (value: number) => string;
}

/** Numbers, units and dates as a language writes them. */
export function formatOf(language: string): Format {
  const unit = (value: number, name: string, digits = 0) =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
  return {
    number: (value) => new Intl.NumberFormat(language).format(value),
    percent: (share) => new Intl.NumberFormat(language, { style: "percent" }).format(share),
    bytes(value) {
      const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
      const scaled = value / 1000 ** power;
      return unit(scaled, UNITS[power] ?? "byte", scaled < 10 && power > 0 ? 1 : 0);
    },
    duration(seconds) {
      if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), "second");
      if (seconds < 3600) return unit(Math.round(seconds / 60), "minute");
      return unit(seconds / 3600, "hour", 1);
    },
    moment: (iso) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso)),
    precise: (value) => new Intl.NumberFormat(language, PRECISE).format(value),
    metres: (value) => new Intl.NumberFormat(language, { ...PRECISE, style: "unit", unit: "meter" }).format(value),
    degrees: (value) => unit(value, "degree", 1),
    day: (date) => new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(date),
  };
}

export function useFormat(): Format {
  const { i18n } = useTranslation();
  return formatOf(i18n.language);
}

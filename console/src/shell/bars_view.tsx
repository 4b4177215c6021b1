/** Broadcasts, and errors that answer no command. */
import type { Bar } from "../bars";
import { RawJson } from "../json/tree";
import { bars } from "../page";
import { useStore } from "../use_store";

function List({ id, role, label, items }: { id: string; role: "status" | "alert"; label: string; items: readonly Bar[] }) {
  return (
    <section id={id} class="broadcasts" role={role} aria-label={label}>
      {items.map((bar) => (
        <div class="bar" key={bar.id}>
          <div class="bar-body"><strong class="title">{bar.title}</strong> <span class="summary">{bar.text}</span><RawJson text={bar.raw} /></div>
          <button type="button" class="leave" aria-label={`Dismiss: ${bar.title}`} onClick={() => bars.dismiss(bar.id)}>×</button>
        </div>
      ))}
    </section>
  );
}

export function BarsView() {
  const { broadcasts, problems } = useStore(bars);
  return (
    <>
      <List id="broadcasts" role="status" label="Broadcasts" items={broadcasts} />
      <List id="problems" role="alert" label="Problems" items={problems} />
    </>
  );
}

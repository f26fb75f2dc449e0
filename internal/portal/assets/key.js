// Makes an age X25519 key in the browser. The private half leaves it as a download only; the
// public half is put into the form.
"use strict";
(() => {
  const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

  function checksum(values) {
    let c = 1;
    for (const v of values) {
      const top = c >>> 25;
      c = ((c & 0x1ffffff) << 5) ^ v;
      [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].forEach((g, i) => { if ((top >>> i) & 1) c ^= g; });
    }
    return c;
  }

  // bech32 (BIP 173), as age writes keys.
  function bech32(prefix, bytes) {
    const data = [];
    let bits = 0, value = 0;
    for (const b of bytes) {
      value = ((value << 8) | b) & 0xfff;
      bits += 8;
      while (bits >= 5) {
        bits -= 5;
        data.push((value >>> bits) & 31);
      }
    }
    if (bits > 0) data.push((value << (5 - bits)) & 31);
    const high = [...prefix].map((c) => c.charCodeAt(0) >> 5), low = [...prefix].map((c) => c.charCodeAt(0) & 31);
    const sum = checksum([...high, 0, ...low, ...data, 0, 0, 0, 0, 0, 0]) ^ 1;
    for (let i = 0; i < 6; i++) data.push((sum >>> (5 * (5 - i))) & 31);
    return prefix + "1" + data.map((d) => letters[d]).join("");
  }

  async function make() {
    const pair = await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]);
    const open = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const secret = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).slice(-32);
    const identity = bech32("age-secret-key-", secret).toUpperCase();
    secret.fill(0);
    return { recipient: bech32("age", open), identity };
  }

  const section = document.getElementById("make");
  if (!section || !window.isSecureContext || !window.crypto?.subtle) return;
  section.hidden = false;
  const state = document.getElementById("make-state");
  document.getElementById("make-key").addEventListener("click", async () => {
    let key;
    try {
      key = await make();
    } catch {
      state.textContent = "This browser cannot create such keys. Create one with age-keygen, and paste its public key.";
      return;
    }
    const file = "# infrabackup key of " + section.dataset.instance + ", created " + new Date().toISOString() + "\n# public key: " + key.recipient + "\n" + key.identity + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file], { type: "text/plain" }));
    link.download = "infrabackup-key.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    document.getElementById("f-recipients").value = key.recipient;
    document.getElementById("f-source").value = "browser";
    state.textContent = "The key was downloaded as infrabackup-key.txt, and its public half is in the form. Continue to prove that the file works.";
  });
  document.getElementById("f-recipients").addEventListener("input", () => { document.getElementById("f-source").value = ""; });
})();

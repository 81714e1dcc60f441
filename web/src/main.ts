import { mount } from "svelte";
import App from "./App.svelte";
import { appearance } from "./more/appearance.svelte";
import { install } from "./more/settings/install.svelte";
import "./style/tokens.css";
import "./style/base.css";

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no element #app");
appearance.apply();
install.start();
mount(App, { target });

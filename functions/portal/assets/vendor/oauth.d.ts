export * from "../../vendor/oauth";
